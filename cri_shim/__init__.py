"""cri-shim: the Kubernetes CRI in front of an unmodified containerd, out of process."""

__version__ = "0.2.0"
