"""Type commands of the page on a node, and look at what the most important ones say."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING, Final

from tests.install.plan import CRICTL
from tests.install.session import CommandError, run_commands
from tests.install.stand_ins import BY_HAND, ONLINE, here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.install.session import Ran

SAYS: Final = {
    "make demo": r"- the daemon exits with code 0 on SIGTERM",
    "make deb": r"cri-shim_\S+\.deb",
    "cri-shim setup --cni-sample": r"/etc/cri-shim/config\.toml",
    "cri-shim status --wait 60": r"ready",
    "crictl pull": r"Image is up to date",
    "crictl pods": r"Ready +first +default",
    "crictl ps": r"Running +clock",
    "crictl logs": r"UTC",
    "crictl exec": r"^first$",
    "cri-shim hops": r"RunPodSandbox",
    "crictl rmp": r"Removed sandbox|removed",
}
"""What is to be read after a command that begins so."""


def crictl_program() -> str | None:
    """Return the crictl of this machine: the one that CRICTL names, or the one on PATH."""
    return shutil.which(os.environ.get("CRICTL", "crictl"))


def type_commands(
    enter: Sequence[str],
    commands: Iterable[str],
    directory: Path,
    *,
    online: bool,
    crictl: bool,
    by_hand: str = BY_HAND,
    say: Callable[[str], None] = print,
    environment: Mapping[str, str] | None = None,
) -> list[Ran]:
    """Run commands of the page in a directory of a node, and check what they say."""
    typed: list[str] = []
    for command in commands:
        run = here(command)
        if run is None or (command.startswith(CRICTL) and not crictl):
            say(f"{'not run':>9}  {command.splitlines()[0]}")
        else:
            typed.append(run)
    prelude = f"cd {directory} || exit\n{ONLINE if online else ''}{by_hand}"
    ran = run_commands(enter, typed, prelude=prelude, environment=environment, say=say)
    for one in ran:
        for beginning, expected in SAYS.items():
            if re.match(rf"(\w+=\$\()?{re.escape(beginning)}", one.command):
                if not re.search(expected, one.printed, re.MULTILINE):
                    raise CommandError(f"{one.command}\ndid not say {expected!r}:\n{one.printed[-4000:]}")
    return ran
