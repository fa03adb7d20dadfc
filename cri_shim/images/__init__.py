"""Keep the images: pull them, unpack them, know their names, and read files of their root file systems.

This is the CRI side of :mod:`containerd_client.distribution`, which knows registries and content. The room may import
``kernel``, ``oci``, ``concurrency`` and the floors below; it must never know of pods and containers.
"""
