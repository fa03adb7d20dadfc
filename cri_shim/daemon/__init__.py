"""Start, wire and stop the daemon, and publish what it knows about itself.

This room may import every other room but ``bench`` and ``terminal``, which are clients of a daemon: it is the only one
that knows them all. It must never decide anything about a pod.
"""
