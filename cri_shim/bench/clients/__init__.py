"""CRI clients that make the calls: in this process, or in another program that reads lines.

This room may import ``bench/results``, and ``ledger`` for the form of a bill. It must never know what a scenario
measures.
"""
