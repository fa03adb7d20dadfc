"""The same pods through two or more CRI endpoints, and the report about it: ``cri-shim compare``.

A client only: it knows endpoints by their sockets, starts no daemon and reads nothing of any daemon but what a CRI
client sees, what /proc tells of a process, and the bill that cri-shim puts into a response's trailing metadata.

Its own rooms may import ``ledger``, ``kernel``, ``network`` and ``streaming/spdy`` for the form of a bill, the script
of the floor and a stream's codec; it must never import what the daemon does with a pod.
"""
