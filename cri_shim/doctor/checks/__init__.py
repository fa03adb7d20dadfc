"""The checks, one file for each part of the node: the codes, the function that reads, and the one that judges.

This room may import ``doctor.facts`` and what ``doctor`` may import. A judgement must never read
anything itself, and a reading must never turn an error into an absence.
"""
