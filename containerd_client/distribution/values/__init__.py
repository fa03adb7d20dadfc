"""References, manifests, platforms and URLs as values, and the errors of a pull.

This room may import ``untrusted``. It must never do input or output, or wait.
"""
