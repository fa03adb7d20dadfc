"""One side of a comparison: its endpoint, its pods, and what they print."""
