"""What buys speed or memory, one trick a file, each deletable alone.

This room may import ``kernel`` and ``timeline``. Nothing may depend on one of its tricks: a trick must never change
what a request does.
"""
