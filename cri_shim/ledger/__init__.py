"""Record every request once: its hops, helpers and stages, and the bill made of them.

This room may import ``containerd_client``, ``network`` and ``kernel`` for the hops that they report, and the floors
below. It must never fail or delay a request.
"""
