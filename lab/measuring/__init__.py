"""Measurements of this project by itself, on a real node."""
