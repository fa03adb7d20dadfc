"""CRI clients in other languages than Python, for ``cri-shim compare --client``; built by the tests that run them."""
