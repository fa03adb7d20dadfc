"""Checkpoints of containers: criu, the archive, and refusing what cannot be restored."""
