"""Immutable values of pods and containers, their index, names and transitions."""
