"""Steps of making and ending sandboxes that several RPCs share.

This room may import ``lifecycle``, ``lifecycle/container``, ``network`` and the floors below. It must never import
``rpc``.
"""
