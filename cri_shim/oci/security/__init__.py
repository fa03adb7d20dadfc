"""How a process is confined: AppArmor, seccomp and SELinux.

This room may import ``errors`` and ``untrusted``. It must never read the node or load a profile.
"""
