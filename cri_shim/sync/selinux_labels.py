"""Give SELinux labels to pods and containers, with a different level for each pod.

The levels in use are read from the known pods and containers, so no second list of them can get out of date. The levels
given last are remembered too, for pods that are still being made.
"""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from cri_shim.errors import FailedPreconditionError, InternalError, ResourceExhaustedError
from cri_shim.kernel.presence import mode_of
from cri_shim.kernel.small_file import read_small_file
from cri_shim.oci.security.selinux import Context, is_requested, mount_label, parse_policy, process_label
from untrusted import decode_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from cri_shim.oci.security.selinux import Policy

_TRIES = 10_000
_REMEMBERED = 256

FILE_LIMIT = 1 << 20
"""How many bytes of a file of the SELinux policy are read at most."""

log = structlog.get_logger(__name__)


class SelinuxLabels:
    """Gives out labels; made once at the start.

    ``policy`` is None if nothing is to be labelled. A request for a label is then refused with ``reason``, or, if
    ``reason`` is empty, ignored, as containerd's plugin does with ``enable_selinux = false``. ``in_use`` yields the
    process labels of all pods and containers. ``categories`` is the limit of the category numbers.
    """

    def __init__(
        self, policy: Policy | None, reason: str, in_use: Callable[[], Iterable[str]], categories: int = 1024
    ) -> None:
        self._policy = policy
        self._reason = reason
        self._in_use = in_use
        self._categories = categories
        pairs = categories * (categories - 1) // 2
        self._given: deque[str] = deque(maxlen=min(_REMEMBERED, pairs // 4))

    def of_pod(self, options: cri.SELinuxOption) -> str:
        """Return the process label of a new pod; empty for none.

        Raises InvalidArgumentError, FailedPreconditionError, ResourceExhaustedError.
        """
        if self._policy is not None:
            return process_label(self._policy, options, options.level or self._new_level())
        if is_requested(options):
            if self._reason:
                raise FailedPreconditionError(f"SELinux options are requested, but {self._reason}")
            log.info("selinux.options_ignored", options=str(options).split(), reason="enable_selinux is false")
        return ""

    def of_container(self, options: cri.SELinuxOption, pod_label: str) -> str:
        """Return the process label of a new container: by default its pod's. Raises the same errors as ``of_pod``."""
        if self._policy is None or is_requested(options) or not pod_label:
            return self.of_pod(options)
        return pod_label

    def of_files(self, process: str) -> str:
        """Return the label for the files of a process with the label ``process``; empty where there are no labels.

        Raises InternalError for a stored label that is not a valid one.
        """
        if self._policy is None or not process:
            return ""
        try:
            return mount_label(self._policy, process)
        except ValueError as error:
            raise InternalError(f"files cannot be labelled: {error}") from error

    def _new_level(self) -> str:
        taken = {*self._given, *(Context.parse(label).level for label in self._in_use() if label)}
        for _ in range(_TRIES):
            low, high = sorted(random.sample(range(self._categories), 2))  # not secret
            level = f"s0:c{low},c{high}"
            if level not in taken:
                self._given.append(level)
                return level
        raise ResourceExhaustedError(
            f"every SELinux level of {self._categories} categories is in use; raise selinux_category_range"
        )


def read_selinux_policy(*, enabled: bool, available: bool, root: Path = Path("/")) -> tuple[Policy | None, str]:
    """Return the node's policy for containers, or None and the reason for which a requested label is refused. Blocks.

    ``enabled`` is the setting in the configuration, ``available`` whether the kernel has SELinux.
    """
    if not enabled:
        return None, ""
    if not available:
        return None, "this node has no SELinux; set enable_selinux = false to run such pods without labels"
    try:
        return parse_policy(_contexts(root)), ""
    except (OSError, ValueError) as error:
        return None, f"the SELinux policy of this node does not say how containers are labelled: {error}"


def _contexts(root: Path) -> str:
    own = root / "usr/share/containers/selinux/contexts"
    if mode_of(own) is not None:
        return _text(own)
    name = "targeted"
    for line in _text(root / "etc/selinux/config").splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip() == "SELINUXTYPE":
            name = value.strip()
    return _text(root / "etc/selinux" / name / "contexts/lxc_contexts")


def _text(path: Path) -> str:
    """Read a file of the policy, whose comments may be in any encoding."""
    return decode_utf8(read_small_file(path, FILE_LIMIT))
