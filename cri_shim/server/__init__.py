"""The one layer around every RPC."""
