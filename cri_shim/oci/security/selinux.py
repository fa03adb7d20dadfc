"""Compute the SELinux labels of a pod's processes and files.

A label is ``user:role:type:level``. The policy defines the labels of containers; each pod gets a level of two random
categories, so that pods cannot touch each other's files. Options of a request replace parts of both labels. Source: CRI
``SELinuxOption``; the rules are those of go-selinux, which containerd's plugin uses. The level's grammar is that of the
plugin: ``s0``, ``s0-s3``, ``s0:c1,c2.c4``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

_LEVEL = re.compile(r"s\d(?:-s\d)?(?::c\d{1,4}(?:\.c\d{1,4})?(?:,c\d{1,4}(?:\.c\d{1,4})?)*)?", re.ASCII)
_POLICY_LINE = re.compile(r"\s*(\w+)\s*=\s*\"([^\"]*)\"", re.ASCII)


class Context(Struct, frozen=True):
    """One parsed label; ``level`` is empty if the policy has no levels."""

    user: str
    role: str
    type: str
    level: str = ""

    @classmethod
    def parse(cls, label: str) -> Context:
        """Parse a label; raises ValueError for a malformed one."""
        parts = label.split(":", 3)
        if len(parts) < 3 or not all(parts):
            raise ValueError(f"{label!r} is not an SELinux label such as user:role:type:level")
        return cls(*parts)

    def __str__(self) -> str:
        """Return the label."""
        return ":".join(filter(None, (self.user, self.role, self.type, self.level)))


class Policy(Struct, frozen=True):
    """The labels for containers in the node's policy: of their processes and of their files."""

    process: Context
    file: Context


def check_level(options: cri.SELinuxOption) -> None:
    """Check the level of the options; raises InvalidArgumentError if it is malformed."""
    if options.level and not _LEVEL.fullmatch(options.level):
        raise InvalidArgumentError(
            f"SELinux level {options.level!r} is malformed; it must look like s0, s0-s3 or s0:c1,c2.c4"
        )


def is_requested(options: cri.SELinuxOption) -> bool:
    """Return whether a request sets any SELinux option."""
    return bool(options.user or options.role or options.type or options.level)


def parse_policy(text: str) -> Policy:
    """Parse a policy's ``lxc_contexts``; raises ValueError if it does not define the labels of containers."""
    matches = filter(None, map(_POLICY_LINE.match, text.splitlines()))
    settings = {match[1]: match[2] for match in matches}
    try:
        return Policy(Context.parse(settings["process"]), Context.parse(settings["file"]))
    except KeyError as missing:
        raise ValueError(f"lxc_contexts of the SELinux policy has no line for {missing}") from missing


def process_label(policy: Policy, options: cri.SELinuxOption, level: str) -> str:
    """Return the process label for the requested ``options``; ``level`` is used unless they set one.

    Raises InvalidArgumentError for a malformed level.
    """
    check_level(options)
    process = policy.process
    level = options.level or (level if process.level else "")
    return str(Context(options.user or process.user, options.role or process.role, options.type or process.type, level))


def mount_label(policy: Policy, process: str) -> str:
    """Return the file label for processes with the label ``process``: the policy's, with that user and level.

    Raises ValueError for a malformed label.
    """
    context = Context.parse(process)
    return str(replace(policy.file, user=context.user, level=context.level))


def mount_option(label: str) -> str:
    """Return the mount option that labels a whole file system; quoted, because levels contain commas."""
    return f'context="{label}"'
