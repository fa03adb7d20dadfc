"""What pods and containers use: cgroup and /proc files read in a thread, and their CRI form.

The way of a number: :mod:`~cri_shim.kernel.cgroups` finds a cgroup, :mod:`~cri_shim.stats.cgroup_v1` or
:mod:`~cri_shim.stats.cgroup_v2` reads it, :mod:`~cri_shim.stats.parse` understands it, :mod:`~cri_shim.stats.sampler`
shares it and knows the one before it, :mod:`~cri_shim.stats.messages` says it in CRI (docs/adr/0006).
"""
