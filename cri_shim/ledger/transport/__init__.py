"""How long a message takes to containerd and back: estimated, learned, and held to spans.

This room may import only ``containerd_client``. It must never keep a request waiting for a measurement.
"""
