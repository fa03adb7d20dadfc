"""CRI clients that make the calls: in this process, or in another program that reads lines."""
