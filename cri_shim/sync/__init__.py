"""Loops and readers that keep the state true to containerd and the node."""
