"""Measure the hop between a client and this daemon, by calling the daemon's own socket.

This room may import ``ledger``, ``kernel`` and the floors below. It must never import ``server`` or ``rpc``.
"""
