"""What several RPCs need to make, start and end pods and containers.

This room may import ``state``, ``sync``, ``images``, ``oci`` and the floors below. It must never answer a request:
that is the work of ``rpc``.
"""
