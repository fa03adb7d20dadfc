"""Check that all sides do the same work, before anything is timed.

This room may import ``bench/endpoint``, ``bench/results`` and ``untrusted``. It must never time anything.
"""
