"""cri-shim: the Kubernetes CRI in front of an unmodified containerd, out of process."""

from importlib.metadata import version

__version__ = version("cri-shim")
