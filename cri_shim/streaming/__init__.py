"""Serve exec, attach and port-forward: HTTP upgrades to SPDY/3.1 or WebSocket, and the sessions behind them.

:mod:`~cri_shim.streaming.spdy` and :mod:`~cri_shim.streaming.channels` are codecs without any I/O, and must stay so;
the rest carries bytes between a client's connection and a container's FIFOs or a pod's sockets. This room may import
``logs``, ``concurrency`` and the floors below, and never the RPCs, which hand it requests that wait for their clients.
"""
