"""The hop between a client and this daemon, measured by calling ourselves."""
