"""Hold what is known of pods and containers: immutable values, their index, their names and their transitions.

This room may import ``errors`` and the generated CRI messages. It is passive: it never waits, reads a file or calls
containerd. :mod:`cri_shim.sync` keeps it true, and RPCs read it.
"""
