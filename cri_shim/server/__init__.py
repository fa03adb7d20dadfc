"""The one layer around every RPC: everything that all requests have in common.

This room may import ``rpc``, ``ledger`` and the floors below. It must never know what a request means.
"""
