"""From an OCI registry into containerd's content store, and from there into snapshots.

containerd's own Go client does this work on the client's side (before the Transfer service of 1.7 there was no other
way), so a Python client has to bring it along. From the bottom up:

- :mod:`.reference`, :mod:`.platforms`, :mod:`.manifest`, :mod:`.chain`, :mod:`.media_types`: values and pure functions
- :mod:`.hosts`, :mod:`.registry`: who serves a name, and the HTTP requests (aiohttp, imported at the first one)
- :mod:`.flights`: many want it, one does it
- :mod:`.fetch`, :mod:`.unpack`: one blob into the content store, one layer into a snapshot
- :mod:`.contents`: reading back an image that lies in the content store
- :mod:`.pull`: all of it, for one reference, under one lease
"""
