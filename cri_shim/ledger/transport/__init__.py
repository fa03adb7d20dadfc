"""Estimate how long a message takes to containerd and back, learn it from spans, and compare the two.

This room may import only ``containerd_client``. It must never keep a request waiting for a measurement.
"""
