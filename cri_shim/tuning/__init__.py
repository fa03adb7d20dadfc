"""Save time or memory by tricks, one in each file, each of which can be deleted alone.

This room may import ``kernel``, ``timeline`` and ``containerd_client``. Nothing may depend on one of its tricks: a
trick must never change what a request does.
"""
