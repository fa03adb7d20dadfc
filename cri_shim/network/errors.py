"""What can go wrong between us and the CNI plugins."""

from __future__ import annotations

from cri_shim.errors import InternalError, UnavailableError


class NetworkError(InternalError):
    """A pod could not be attached to its networks, or not be taken off them."""


class NetworkNotReadyError(UnavailableError):
    """There is no usable network configuration yet; the kubelet tries again."""


class CniError(NetworkError):
    """One plugin failed. Carries what it said in the form of the CNI specification."""

    def __init__(self, plugin: str, command: str, message: str, *, code: int = 0, details: str = "") -> None:
        said = f"{message}; {details}" if details else message
        super().__init__(f"cni plugin {plugin} failed ({command}): {said}")
        self.plugin = plugin
        self.command = command
        self.cni_code = code
        self.details = details
