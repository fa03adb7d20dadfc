"""Directories and mounts of pods and containers on the disk of the node."""
