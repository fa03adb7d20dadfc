"""Encode and decode the forms in which state is kept in containerd and on disk.

This room may import ``state``, ``untrusted`` and the generated messages of the CRI and of containerd. It never reads or
writes: callers pass the records and the content of files.
"""
