"""Complete ``cri-shim`` in bash, zsh and fish: scripts that are generated from the argument parser.

``parser_tree`` reads the parser into plain values, which the pages of the manual are written from as well, and each
shell has a file that writes its script.

This room may import the standard library and ``msgspec``. It must never know a command or an option by name: what the
parser has is what is completed.
"""
