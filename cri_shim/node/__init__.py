"""What this node and its runtimes can do."""
