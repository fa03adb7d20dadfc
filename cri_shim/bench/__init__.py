"""The same pods through two or more CRI endpoints, and the report about it: ``cri-shim compare``.

A client only: it knows endpoints by their sockets, starts no daemon and reads nothing of any daemon but what a CRI
client sees, what /proc tells of a process, and the bill that cri-shim puts into a response's trailing metadata.
"""
