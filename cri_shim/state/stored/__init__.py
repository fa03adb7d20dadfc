"""The forms in which state is kept in containerd and on disk."""
