"""What figures of two sides say: estimates, noise, and a verdict.

This room may import only ``bench/results``. It must never do input or output.
"""
