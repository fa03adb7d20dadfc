"""Check this node for what keeps pods from running, and say what to do: the command ``cri-shim doctor``.

Each check reads its facts in one function and judges them in another, so that the judgement can be tested without root
or a node. What could not be read is reported as unknown. The daemon makes the fatal part of the checks when it starts.

This room may import ``node``, ``network``, ``kernel``, ``oci``, ``config``, ``containerd_client`` and the floors below.
It must never change anything on the node, nor send anything over a network without being asked.
"""
