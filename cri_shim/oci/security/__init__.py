"""How a process is confined: AppArmor, seccomp and SELinux."""
