"""Make the calls as a CRI client: in this process, or through another program that reads lines.

This room may import ``bench/results``, and ``ledger`` for the form of a bill. It must never know what a scenario
measures.
"""
