"""Hold what is known of pods and containers: immutable values, their index, their names and their transitions.

This room may import ``errors``, ``oci`` for pure rules, and the generated messages of the CRI and of containerd. It is
passive: it never waits, reads a file or calls containerd. :mod:`cri_shim.sync` keeps it true, and RPCs read it.
"""
