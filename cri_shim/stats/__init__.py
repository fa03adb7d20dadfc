"""Measure what pods and containers use: read cgroup and /proc files in a thread, and convert them to their CRI form.

The way of a number: :mod:`~cri_shim.kernel.cgroups` finds a cgroup, :mod:`~cri_shim.stats.cgroup_v1` or
:mod:`~cri_shim.stats.cgroup_v2` reads it, :mod:`~cri_shim.stats.parse` parses it, :mod:`~cri_shim.stats.sampler` shares
it between callers and remembers the one before it, :mod:`~cri_shim.stats.messages` converts it to CRI (docs/adr/0006).
This room may import only the floors below it, and never reads a file on the event loop.
"""
