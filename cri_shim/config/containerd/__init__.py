"""Read containerd's own configuration, and translate the settings of its CRI plugin into those of this daemon.

``files`` reads a file and what it imports; ``merge`` joins them as containerd does; ``keys`` has every key of the
plugin; ``translate`` goes through the document; ``render`` and ``notes`` write the result; ``recognise`` says whose
file a text is.

This room may import ``config`` and ``untrusted``. It must never write a file, nor run containerd.
"""
