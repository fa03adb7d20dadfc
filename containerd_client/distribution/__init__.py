"""Pull images from an OCI registry into containerd's content store, and unpack them into snapshots.

containerd's own Go client does this work in the client (before the Transfer service of 1.7 there was no other way), so
a Python client has to do it too. From the bottom up:

- :mod:`.values`: references, manifests, platforms and URLs as values, and pure functions on them
- :mod:`.registries`: which hosts serve a name, and the HTTP requests (aiohttp is imported at the first one)
- :mod:`.single_flight`: work that several callers want is done once for all of them
- :mod:`.fetch`, :mod:`.unpack`: bring one blob into the content store, one layer into a snapshot
- :mod:`.contents`: read an image back from the content store
- :mod:`.pull`: all of this for one reference, under one lease

This room may import the rest of ``containerd_client`` and ``untrusted``. It must never hold a whole layer in memory.
"""
