"""Show a plan: every path, what becomes of it, and for a file that is there the lines that change."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from cri_shim.setup import targets
from cri_shim.setup.plan import MakeDirectory
from cri_shim.wrapped_text import wrapped
from untrusted import decode_utf8, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cri_shim.setup.plan import Change, Command, Plan

_MOST_LINES: Final = 200
ARGUMENTS: Final[dict[Command, tuple[str, ...]]] = {
    "daemon-reload": ("systemctl", "daemon-reload"),
    "restart-containerd": ("systemctl", "restart", "containerd.service"),
    "enable": ("systemctl", "enable", "--now", targets.UNIT),
}
_MEANING: Final[dict[Command, str]] = {
    "daemon-reload": "systemd reads the units again",
    "restart-containerd": "pods keep running; containerd answers nothing for a moment",
    "enable": "the daemon starts now and with the machine",
}


def plan_lines(plan: Plan, *, by_hand: bool) -> Iterator[str]:
    """Yield the lines that describe a plan; ``by_hand`` says that its commands are printed instead of run."""
    for number, change in enumerate(plan.changes, 1):
        yield from _change_lines(number, change)
    for number, command in enumerate(plan.commands, len(plan.changes) + 1):
        yield f"{number:>3}. {command_text(ARGUMENTS[command], by_hand=by_hand)}"
        yield f"     {_MEANING[command]}"


def command_text(arguments: Sequence[str], *, by_hand: bool) -> str:
    """Return a command as a plan shows it; ``by_hand`` says that it is printed instead of run."""
    return f"{'run by hand:' if by_hand else 'run'} {' '.join(arguments)}"


def by_hand_lines(commands: Sequence[Sequence[str]], *, again: str = "") -> Iterator[str]:
    """Yield the commands that are left to the administrator, if there are any.

    ``again`` names the option that kept them from being run, which is not needed for another run.
    """
    if commands:
        yield f"not started; run by hand, or run this again without {again}:" if again else "run by hand:"
    for arguments in commands:
        yield f"  {' '.join(arguments)}"


def remark_lines(word: str, remarks: Sequence[str]) -> Iterator[str]:
    """Yield remarks, each after a word such as ``note``."""
    for remark in remarks:
        yield from wrapped(f"{word}: {escaped(remark, 1000)}", further="  ")


def _change_lines(number: int, change: Change) -> Iterator[str]:
    if isinstance(change, MakeDirectory):
        yield f"{number:>3}. make directory {escaped(change.path)} (mode {change.mode:04o})"
        return
    verb = "write" if change.before is None else "change"
    yield f"{number:>3}. {verb} {escaped(change.path)} (mode {change.mode:04o})"
    yield from wrapped(escaped(change.what), first="     ", further="     ")
    if change.before is not None:
        if change.copied:
            yield f"     a copy of what is there: {change.path}{targets.BACKUP}"
        yield from (f"     {line}" for line in _diff(change.before, change.content, change.path))


def _diff(before: bytes, after: bytes, path: str) -> Iterator[str]:
    old, new = (decode_utf8(content).splitlines() for content in (before, after))
    lines = list(difflib.unified_diff(old, new, path, path, lineterm=""))
    yield from (escaped(line, 200) for line in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield f"... ({len(lines) - _MOST_LINES} more lines)"
