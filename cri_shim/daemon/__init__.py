"""Start-up, shutdown and wiring of the daemon, and what it shows of itself.

This room may import every other room: it is the only one that knows them all. It must never decide anything about a
pod.
"""
