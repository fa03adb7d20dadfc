"""Make, find and remove the directories and mounts of pods and containers on the disk of the node.

This room may import ``kernel``, ``state`` and the floors below. It never talks to containerd.
"""
