"""Exec, attach and port-forward: HTTP upgrades to SPDY/3.1 or WebSocket, and what runs behind them.

:mod:`~cri_shim.streaming.spdy` and :mod:`~cri_shim.streaming.channels` are codecs without any I/O; the rest carries
bytes between a client's connection and a container's FIFOs or a pod's sockets.
"""
