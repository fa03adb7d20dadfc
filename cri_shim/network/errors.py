"""What can go wrong between us and the CNI plugins."""

from __future__ import annotations

from typing import Final

from cri_shim.errors import InternalError, UnavailableError
from cri_shim.os_errors import cri_error_of
from untrusted import encodable, escaped, shorten

_LONGEST: Final = 2048  # characters of what a plugin said


class NetworkError(InternalError):
    """A pod could not be attached to its networks, or not be taken off them."""


class NetworkFileError(NetworkError):
    """The operating system refused a file that the network needs; ``code`` says of what kind that is."""

    def __init__(self, what: str, error: OSError) -> None:
        refused = cri_error_of(error)
        super().__init__(f"{what}: {refused}")
        self.code = refused.code


class NetworkNotReadyError(UnavailableError):
    """There is no usable network configuration yet; the kubelet tries again."""


class CniError(NetworkError):
    """One plugin failed. Carries what it said in the form of the CNI specification."""

    plugins_begun: int | None = None
    """Of a failed ADD: how many programs of the chain have run, the one that failed included."""

    def __init__(self, plugin: str, command: str, message: str, *, code: int = 0, details: str = "") -> None:
        said = shorten(encodable(f"{message}; {details}" if details else message), _LONGEST)
        super().__init__(f"cni plugin {escaped(plugin)} failed ({command}): {said}")
        self.plugin = plugin
        self.command = command
        self.said = said
        self.cni_code = code
        self.details = details


class NotBegunError(CniError):
    """The plugin did not run, so it has made nothing."""


class ProgramMissingError(NotBegunError):
    """The plugin's program is not there, or is not one that can be run."""
