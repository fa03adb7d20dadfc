"""What processes and the machine use, read from /proc.

This room may import only ``bench/results`` and ``untrusted``. It must never talk to an endpoint.
"""
