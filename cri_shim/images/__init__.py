"""Pulling images: the CRI side of :mod:`containerd_client.distribution`."""
