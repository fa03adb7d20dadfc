"""SELinux: the labels under which a pod's processes run and its files lie.

A label is ``user:role:type:level``. The policy says which labels containers have; each pod gets a level of two random
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
    """One label, taken apart; ``level`` is empty where the policy has none."""

    user: str
    role: str
    type: str
    level: str = ""

    @classmethod
    def parse(cls, label: str) -> Context:
        """Take a label apart; raises ValueError for what is none."""
        parts = label.split(":", 3)
        if len(parts) < 3 or not all(parts):
            raise ValueError(f"{label!r} is no SELinux label; it looks like user:role:type:level")
        return cls(*parts)

    def __str__(self) -> str:
        """Put it together again."""
        return ":".join(filter(None, (self.user, self.role, self.type, self.level)))


class Policy(Struct, frozen=True):
    """What the node's policy says of containers: under what their processes run, and under what their files lie."""

    process: Context
    file: Context


def check_level(options: cri.SELinuxOption) -> None:
    """Refuse a level that SELinux could not read, with InvalidArgumentError."""
    if options.level and not _LEVEL.fullmatch(options.level):
        raise InvalidArgumentError(
            f"SELinux level {options.level!r} is malformed; it looks like s0, s0-s3 or s0:c1,c2.c4"
        )


def is_asked(options: cri.SELinuxOption) -> bool:
    """Whether a request wants anything of SELinux."""
    return bool(options.user or options.role or options.type or options.level)


def parse_policy(text: str) -> Policy:
    """Read a policy's ``lxc_contexts``; raises ValueError when it does not say what containers are."""
    matches = filter(None, map(_POLICY_LINE.match, text.splitlines()))
    found = {match[1]: match[2] for match in matches}
    try:
        return Policy(Context.parse(found["process"]), Context.parse(found["file"]))
    except KeyError as missing:
        raise ValueError(f"lxc_contexts of the SELinux policy has no line for {missing}") from missing


def process_label(policy: Policy, options: cri.SELinuxOption, level: str) -> str:
    """The label of the processes of who asks for ``options``; ``level`` is the one that they get otherwise.

    Raises InvalidArgumentError for a level that is none.
    """
    check_level(options)
    process = policy.process
    level = options.level or (level if process.level else "")
    return str(Context(options.user or process.user, options.role or process.role, options.type or process.type, level))


def mount_label(policy: Policy, process: str) -> str:
    """The label of the files of who runs under ``process``: the policy's, with that user and level.

    Raises ValueError for a label that is none.
    """
    context = Context.parse(process)
    return str(replace(policy.file, user=context.user, level=context.level))


def mount_option(label: str) -> str:
    """The option that puts a whole file system under a label; quoted, because levels have commas."""
    return f'context="{label}"'
