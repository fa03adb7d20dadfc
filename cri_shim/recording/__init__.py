"""Recordings of a daemon's ledger: the file, and what is restored from it to be looked at without the daemon.

This room may import the explorer, which shows a recording as it shows a daemon, and everything below it. It must never
trust a file: others made it, so its types are checked, its texts cleaned and its sizes limited before anything uses it.
"""
