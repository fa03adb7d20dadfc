"""Drive one side of a comparison: its endpoint, its pods, and what they print.

This room may import ``bench/clients``, ``bench/measures`` and ``bench/results``. It must never judge what it
measures.
"""
