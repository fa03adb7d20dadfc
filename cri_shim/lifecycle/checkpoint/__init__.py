"""Checkpoints of containers: criu, the archive, and refusing what cannot be restored.

This room may import ``images``, ``sync``, ``kernel`` and the floors below. It must never restore a container.
"""
