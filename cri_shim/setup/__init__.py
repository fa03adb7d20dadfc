"""Set a node up for cri-shim, show every change before it is made, and take all of it back.

``node`` reads what the node has, ``plan`` decides what is missing without touching anything, ``apply`` makes the
changes and records each one in a journal before it is made, and ``undo`` reverses what the journal has.

This room may import ``config``, ``kernel`` and ``untrusted``. It must never change a file that it has not shown, nor
take back a file that others have changed since.
"""
