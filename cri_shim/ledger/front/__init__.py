"""The hop between a client and this daemon, measured by calling ourselves.

This room may import ``ledger``, ``kernel`` and the floors below. It must never import ``server`` or ``rpc``.
"""
