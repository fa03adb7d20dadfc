"""Check that all sides do the same work, before anything is timed.

This room may import ``bench/endpoint`` and ``bench/results``. It must never time anything.
"""
