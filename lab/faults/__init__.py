"""Processes and sockets that go wrong on purpose."""
