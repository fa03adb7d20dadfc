"""Make a pod without a daemon: the same namespaces, CNI plugins, mounts and runc calls, from a plain script.

The time that takes is the floor of a node: no CRI runtime that uses these programs can start such a pod faster. The
script runs in a process of its own (``python -m cri_shim.bench.floor``) and may know nothing of containerd or of the
daemon.

It may import ``kernel``, ``network`` and ``bench/endpoint``; the script itself must never import a CRI client.
"""
