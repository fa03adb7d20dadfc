"""Make processes and sockets fail on purpose."""
