"""What buys speed or memory, one trick a file, each deletable alone."""
