"""Judge the figures of two sides: estimates, noise, and a verdict.

This room may import only ``bench/results``. It must never do input or output.
"""
