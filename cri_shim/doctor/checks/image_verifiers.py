"""Whether the daemon asks the image verifiers that containerd's configuration names.

containerd does not report this part of its configuration, so the daemon cannot learn it (docs/adr/0030). Its file can
be read here, where one that cannot be found or used costs nothing but an answer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from cri_shim.config.containerd.files import read_files
from cri_shim.config.containerd.merge import merge
from cri_shim.config.containerd.translate import translate
from cri_shim.config.errors import ConfigError
from cri_shim.config.schema import VerifierSection
from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import text_of
from cri_shim.kernel.presence import entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from containerd_client.api.containerd.services.introspection.v1.introspection_pb2 import Plugin
    from cri_shim.config import Config
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

UNASKED = Code(
    "image-verifiers-unasked",
    "warning",
    "containerd's configuration names image verifiers that the daemon does not ask",
    "the daemon asks the image verifiers of containerd's configuration",
)
CODES: Final = (UNASKED,)

PLUGIN_TYPE: Final = "io.containerd.image-verifier.v1"
USUAL_FILE: Final = "/etc/containerd/config.toml"
_SAME: Final = VerifierSection()
"""What both have if nothing else is said."""
_SECTION: Final = ("image", "verifier")
_FLAGS: Final = frozenset({"-c", "--c", "-config", "--config"})
_LINE: Final = 2
"""The line of containerd that has image verifiers, by whose rules files are joined."""


class Verifiers(Struct, frozen=True):
    """Which programs containerd asks, by which file of its configuration; ``problem`` says why that is unknown."""

    file: str
    bin_dir: str = _SAME.bin_dir
    max_verifiers: int = _SAME.max_verifiers
    programs: int = 0
    """How many are in the directory; there is nothing to ask in an empty one."""
    problem: str = ""

    @property
    def asked(self) -> int:
        """How many of the programs containerd asks."""
        return self.programs if self.max_verifiers < 0 else min(self.programs, self.max_verifiers)


def read_verifiers(containerd_pid: int, place: Place) -> Verifiers:
    """Read what containerd's file says; ``containerd_pid`` is 0 if its process is unknown. Raises OSError. Blocks."""
    command = text_of(place.proc / str(containerd_pid) / "cmdline") if containerd_pid else None
    file = file_of((command or "").split("\0"))
    path = place.at(file)
    if file == USUAL_FILE and not path.exists():
        return _counted(Verifiers(file), place)
    try:
        values = translate(merge(read_files(path), _LINE)).values
    except ConfigError as error:
        return Verifiers(file, problem=str(error.problems[0]))
    wanted = {key: taken.value for key in ("bin_dir", "max_verifiers") if (taken := values.get((*_SECTION, key)))}
    return _counted(Verifiers(file, **wanted), place)


def file_of(command: Sequence[str]) -> str:
    """Return the file that a containerd with this command line reads."""
    for number, each in enumerate(command):
        name, equals, value = each.partition("=")
        if name in _FLAGS:
            return value if equals else next(iter(command[number + 1 :]), "")
    return USUAL_FILE


def judge_verifiers(plugins: Sequence[Plugin], wanted: Verifiers, config: Config, place: Place) -> Iterator[Outcome]:
    """Report programs that containerd would ask for a pull of its own, and the daemon does not ask."""
    if not any(plugin.type == PLUGIN_TYPE and not plugin.HasField("init_err") for plugin in plugins):
        yield UNASKED.fine("containerd asks no image verifiers")
        return
    ours = config.image.verifier
    import_it = f"$ cri-shim config import {wanted.file}"
    if wanted.problem:
        yield UNASKED.unknown(f"containerd's configuration cannot be read: {wanted.problem}", import_it)
    elif wanted.asked and os.path.normpath(wanted.bin_dir) != os.path.normpath(ours.bin_dir):
        yield UNASKED.report(
            f"{wanted.file} names the image verifiers in {wanted.bin_dir}, and cri-shim asks those in "
            f"{ours.bin_dir or 'no directory'}",
            f'set bin_dir = "{wanted.bin_dir}" under [image.verifier] in the configuration; this prints it:',
            import_it,
            place.service("reload", "cri-shim"),
        )
    elif 0 <= ours.max_verifiers < wanted.asked:
        yield UNASKED.report(
            f"{wanted.file} has {wanted.asked} image verifiers asked, and cri-shim asks the first {ours.max_verifiers}",
            f"set max_verifiers = {wanted.max_verifiers} under [image.verifier] in the configuration; this prints it:",
            import_it,
            place.service("reload", "cri-shim"),
        )


def _counted(verifiers: Verifiers, place: Place) -> Verifiers:
    programs = entries_of(place.at(verifiers.bin_dir)) if verifiers.bin_dir else []
    return replace(verifiers, programs=len(programs))
