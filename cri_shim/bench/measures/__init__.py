"""Read from /proc what processes and the machine use.

This room may import only ``bench/results`` and ``untrusted``. It must never talk to an endpoint.
"""
