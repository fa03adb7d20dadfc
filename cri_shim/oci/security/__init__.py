"""How a process is confined: AppArmor, seccomp and SELinux.

This room may import ``errors``, ``untrusted`` and the generated messages of the CRI. It must never read the node or
load a profile.
"""
