"""The HTTP listener: JSON, live events and the explorer page."""
