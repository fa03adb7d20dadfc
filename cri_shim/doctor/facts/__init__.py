"""What all checks of the doctor are made of: results with codes, and readers of facts about the node.

This room may import ``kernel``, ``containerd_client`` and the floors below. It must never judge what it reads.
"""
