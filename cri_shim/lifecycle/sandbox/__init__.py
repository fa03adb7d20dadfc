"""What several RPCs need to make and end sandboxes.

This room may import ``lifecycle``, ``lifecycle/container``, ``network`` and the floors below. It must never import
``rpc``.
"""
