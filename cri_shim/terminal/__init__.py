"""Show the ledger in a terminal: a table by method, a waterfall in characters, and what each hop is for.

The commands are clients of the running daemon's HTTP listener. This room may import ``config`` and the standard
library, and never the daemon's own parts.
"""
