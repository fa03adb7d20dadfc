"""Nodes to look at: the demo that comes and goes, and the playground that stays until it is taken down."""
