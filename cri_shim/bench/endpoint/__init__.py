"""Drive one side of a comparison: its endpoint, its pods, and what they print.

This room may import ``bench/clients``, ``bench/measures`` and ``bench/results``, ``config`` for the form of a duration,
and ``streaming/spdy`` for the streams of an exec. It must never judge what it measures.
"""
