"""Write the two files that start containerd without its CRI plugin.

The file that containerd is started with imports the usual one. containerd reads that one over it, joins both lists of
disabled plugins, and takes the version of the usual one where it has one (cmd/containerd/server/config). A list has
other names in version 1 than in the later ones, and containerd 1.6 and 1.7 refuse a list with names of both kinds, or
ignore those of the wrong kind. So our file has the version of the usual one: Docker's packages install one without a
version that says ``disabled_plugins = ["cri"]``.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from cri_shim.config.containerd.merge import merge
from cri_shim.doctor.facts.unit_words import unit_word
from cri_shim.setup.containerd_unit import DEFAULT_CONFIG
from cri_shim.setup.shipped import shipped
from cri_shim.setup.targets import CONTAINERD_CONFIG, socket_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cri_shim.config.containerd.files import File
    from cri_shim.setup.containerd_unit import ContainerdCommand

FULL, PODS_ONLY = "containerd-no-cri.toml", "containerd-only-pods.toml"

_VERSION: Final = "version = 2\n"
_PATTERN: Final = 'imports = ["/etc/containerd/config.t*ml"]'
_FIRST_NAME: Final = "disabled_plugins = [\n"
_COMMAND: Final = re.compile(r"^ExecStart=/.*$", re.MULTILINE)


def config_version(files: Sequence[File]) -> int:
    """Return the version of containerd's usual file, 1 if it says none; a node without the file has no older one."""
    return max(files[0].version, 1) if files else 2


def containerd_config(
    command: ContainerdCommand, version: int, *, pods_only: bool, snapshotters: frozenset[str] = frozenset()
) -> str:
    """Return the file to start containerd with; ``version`` is that of the usual file.

    The plugins of ``snapshotters``, which the daemon is configured to use, stay enabled.
    """
    text = shipped(PODS_ONLY if pods_only else FULL)
    for name in snapshotters:
        for kind in ("snapshotter", "differ"):
            text = text.replace(f'  "io.containerd.{kind}.v1.{name}",\n', "")
    if command.config != DEFAULT_CONFIG:
        text = text.replace(_PATTERN, f"imports = [{_quoted(command.config)}]")
    if version > 1:
        return text
    # containerd 2.x takes either kind of name whatever the version, and 1.x the last part alone in version 1.
    names = [f'  "{name}",' for name in _short_names(text)]
    text = text.replace(_VERSION, "version = 1\n")
    return text.replace(_FIRST_NAME, "\n".join([_FIRST_NAME.rstrip(), "  # Names of version 1.", *names, ""]))


def containerd_drop_in(command: ContainerdCommand) -> str:
    """Return the drop-in that starts the same program, with the same arguments, with our file."""
    words = [command.program, *command.arguments, "--config", CONTAINERD_CONFIG]
    line = f"ExecStart={command.prefix}{' '.join(map(unit_word, words))}"
    return _COMMAND.sub(lambda _: line, shipped("containerd.service.d/10-cri-shim.conf"))


def listening_address(command: ContainerdCommand, files: Sequence[File]) -> str:
    """Return the path of containerd's socket, which an argument or a file may set; empty if neither does."""
    values = (*command.arguments, "")
    for index, argument in enumerate(command.arguments):
        name, equals, value = argument.partition("=")
        if name in {"--address", "-address", "-a", "--a"}:
            return socket_of(value if equals else values[index + 1])
    grpc = merge(files, 2).document.get("grpc")
    address = grpc.get("address") if isinstance(grpc, dict) else None
    return socket_of(address) if isinstance(address, str) else ""


def required_disabled(files: Sequence[File], ours: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the files that require plugins which our file ``ours`` disables, and those plugins.

    containerd does not start then.
    """
    disabled = tomllib.loads(ours)["disabled_plugins"]
    for file in files:
        required = file.document.get("required_plugins")
        names = [name for name in disabled if name in required] if isinstance(required, list) else []
        if names:
            yield file.name, names


def _short_names(text: str) -> list[str]:
    """Return the names that version 1 has for the disabled plugins of 1.x."""
    names = tomllib.loads(text)["disabled_plugins"]
    of_1x = [name for name in names if not name.startswith(("io.containerd.cri.", "io.containerd.podsandbox."))]
    return list(dict.fromkeys(name.rpartition(".")[2] for name in of_1x))


def _quoted(path: str) -> str:
    """Return a path as a TOML string."""
    text = str(PurePosixPath(path)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
