"""Run a real kubelet without an API server on one side of a comparison, and put back what it changes of the node.

This room may import ``kernel`` and ``bench/endpoint``. It must never measure: it only makes the surroundings.
"""
