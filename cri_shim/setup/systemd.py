"""Ask systemd to do what a set-up needs, and containerd whether its new configuration holds."""

from __future__ import annotations

import subprocess
import tempfile
import tomllib
from typing import TYPE_CHECKING, Final

from cri_shim.setup import targets
from cri_shim.setup.show import ARGUMENTS
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.setup.plan import Command

_SECONDS: Final = 360
"""The time limit of a command; the unit of the daemon gives it five minutes."""
_CHECK_SECONDS: Final = 30
_PLUGINS: Final = frozenset({"cri", "io.containerd.grpc.v1.cri"})


class SystemdError(Exception):
    """A command failed; the text says which and why."""


def run_command(command: Command) -> None:
    """Run one command of a plan; raises :class:`SystemdError`. Blocks."""
    run_arguments(ARGUMENTS[command])


def run_arguments(arguments: Sequence[str]) -> None:
    """Run a program; raises :class:`SystemdError` with what it said. Blocks."""
    text = " ".join(arguments)
    try:
        done = subprocess.run(
            arguments, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SystemdError(f"{text}: {error}") from error
    if done.returncode:
        said = escaped((done.stderr or done.stdout).strip(), 1000)
        raise SystemdError(f"{text} failed with status {done.returncode}: {said}")


def check_containerd(program: str, file: str = targets.CONTAINERD_CONFIG) -> None:
    """Let containerd read the new configuration before it is restarted with it. Blocks.

    Raises :class:`SystemdError` if it does not accept the file, or would still have its CRI plugin.
    """
    arguments = [program, "--config", file, "config", "dump"]
    try:
        done = subprocess.run(
            arguments, capture_output=True, text=True, errors="replace", timeout=_CHECK_SECONDS, check=False
        )
        joined = tomllib.loads(done.stdout) if not done.returncode else {}
    except (OSError, subprocess.TimeoutExpired, tomllib.TOMLDecodeError) as error:
        raise SystemdError(f"{' '.join(arguments)}: {error}") from error
    if done.returncode:
        raise SystemdError(f"containerd refuses {file}: {escaped(done.stderr.strip(), 1000)}")
    disabled = set(joined.get("disabled_plugins", ()))
    if not _PLUGINS & disabled:
        raise SystemdError(f"containerd would still have its CRI plugin with {file}")
    if required := disabled & set(joined.get("required_plugins", ())):
        raise SystemdError(
            f"containerd would not start with {file}: its configuration has {', '.join(sorted(required))} in "
            "required_plugins, which may be in a file that it imports; remove it there"
        )


def check_content(program: str, content: bytes) -> None:
    """Do the same for a file that is not in its place yet; what it imports has absolute paths."""
    with tempfile.NamedTemporaryFile(prefix="cri-shim-", suffix=".toml") as file:
        file.write(content)
        file.flush()
        try:
            check_containerd(program, file.name)
        except SystemdError as error:
            text = str(error).replace(file.name, targets.CONTAINERD_CONFIG)
            raise SystemdError(f"{text} (nothing was changed)") from error
