"""What processes and the machine use, read from /proc."""
