"""The errors of attaching and detaching, from a refused file to a failed plugin.

Callers distinguish them by class, for example one that a retry may mend from one where a plugin did not run at all.
"""

from __future__ import annotations

from typing import Final

from cri_shim.errors import InternalError, UnavailableError
from cri_shim.os_errors import cri_error_of
from untrusted import encodable, escaped, shorten

_LONGEST: Final = 2048  # characters of a plugin's message


class NetworkError(InternalError):
    """A pod could not be attached to its networks, or could not be detached from them."""


class NetworkFileError(NetworkError):
    """The operating system refused a file that the network needs; ``code`` is the gRPC code that fits the refusal."""

    def __init__(self, what: str, error: OSError) -> None:
        refused = cri_error_of(error)
        super().__init__(f"{what}: {refused}")
        self.code = refused.code


class NetworkNotReadyError(UnavailableError):
    """There is no usable network configuration yet; the kubelet tries again."""


class CniError(NetworkError):
    """One plugin failed.

    The error carries the plugin's message in the form of the CNI specification.
    """

    plugins_begun: int | None = None
    """For a failed ADD: how many plugins of the chain have run, including the one that failed."""

    def __init__(self, plugin: str, command: str, message: str, *, code: int = 0, details: str = "") -> None:
        said = shorten(encodable(f"{message}; {details}" if details else message), _LONGEST)
        super().__init__(f"cni plugin {escaped(plugin)} failed ({command}): {said}")
        self.plugin = plugin
        self.command = command
        self.said = said
        self.cni_code = code
        self.details = details


class NotBegunError(CniError):
    """The plugin did not run, so it has changed nothing."""


class ProgramMissingError(NotBegunError):
    """The plugin's program does not exist, or cannot be executed."""
