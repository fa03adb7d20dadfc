"""The record of what every request cost: its hops to containerd, the helpers it ran, and its own time."""
