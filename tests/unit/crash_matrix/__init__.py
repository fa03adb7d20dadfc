"""Every mutating RPC, cut at every hop, in every way: what a client is told, and that nothing is left behind."""
