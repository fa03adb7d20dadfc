"""Measure this project itself, on a real node."""
