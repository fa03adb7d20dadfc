"""Show the running daemon in a terminal: its status, and the ledger as tables, waterfalls and bills.

The commands are clients of the daemon's CRI socket (``status_…``) or of its HTTP listener. This room may import
``config``, the messages of the CRI and ``untrusted``, and never the daemon's own parts.
"""
