"""References, manifests, platforms and URLs as values, and the errors of a pull."""
