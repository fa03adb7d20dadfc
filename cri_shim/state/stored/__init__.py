"""Encode and decode the forms in which state is kept in containerd and on disk.

This room may import what :mod:`cri_shim.state` may, and containerd's generated messages. It never reads or writes:
callers pass the records and the content of files.
"""
