"""Define what a run writes down: the form of a result, its file, and the checks when it is read.

This room may import ``ledger`` for the form of a bill, and ``untrusted``. It must never know how figures come about.
"""
