"""Find out what this node and its runtimes can do, for Status and for the checks of a pod.

This room may import ``kernel``, ``oci``, ``concurrency`` and the floors below. It never changes anything on the node.
"""
