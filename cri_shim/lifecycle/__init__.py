"""Steps of making, starting and ending pods and containers that several RPCs share.

This room may import ``state``, ``sync``, ``images``, ``oci`` and the floors below. It must never answer a request: that
is the work of ``rpc``.
"""
