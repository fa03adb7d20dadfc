"""Checkpoints of containers: find criu, write the archive, and refuse to restore one.

This room may import ``images``, ``sync``, ``kernel`` and the floors below. It must never restore a container.
"""
