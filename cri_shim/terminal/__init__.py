"""The ledger in a terminal: a table by method, a waterfall in characters, and what each hop is for."""
