"""Run the same pods through two or more CRI endpoints and report what differs: ``cri-shim compare``.

This is only a client. It knows endpoints by their sockets and starts no daemon. Of a daemon it reads only what a CRI
client sees, what /proc shows of a process, and the bill that cri-shim puts into a response's trailing metadata.

Its own rooms may import ``ledger``, ``kernel``, ``network``, ``streaming/spdy`` and ``config`` for the form of a bill,
the script of the floor, a stream's codec and the form of a duration; it must never import what the daemon does with a
pod.
"""
