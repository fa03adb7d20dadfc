"""AppArmor and SELinux: whether the daemon can give pods the confinement that the node enforces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import number_of
from cri_shim.doctor.facts.programs import search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cri_shim.config import Config
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place
    from cri_shim.oci.node_facts import NodeFacts

NO_PARSER = Code(
    "apparmor-parser-missing",
    "error",
    "AppArmor is on, and the program that loads the default profile is missing",
    "AppArmor is off, or its default profile can be loaded",
)
NO_LABELS = Code(
    "selinux-labels-off",
    "warning",
    "SELinux enforces, and cri-shim gives pods no labels",
    "SELinux does not enforce, or pods get its labels",
)
NO_SELINUX = Code(
    "selinux-missing",
    "warning",
    "SELinux labels are configured, and the kernel has no SELinux",
    "SELinux labels are not configured, or the kernel has SELinux",
)
CODES: Final = (NO_PARSER, NO_LABELS, NO_SELINUX)

_SYSTEM: Final = ("/usr/sbin", "/sbin")


class Modules(Struct, frozen=True):
    """The state of the security modules; ``enforcing`` is None without SELinux."""

    apparmor: bool
    parser: str
    enforcing: bool | None


def read_modules(node: NodeFacts, path: Sequence[str], place: Place) -> Modules:
    """Read which modules the kernel has on, and search the program that loads profiles. Blocks."""
    enforce = number_of(place.root / "sys/fs/selinux/enforce")
    return Modules(
        node.apparmor,
        search("apparmor_parser", (*path, *_SYSTEM), place).path,
        None if enforce is None else bool(enforce),
    )


def judge_modules(modules: Modules, config: Config, place: Place) -> Iterator[Outcome]:
    """Report where the configuration asks for what the node cannot enforce, or ignores what it enforces."""
    restart = place.service("restart", "cri-shim")
    if modules.apparmor and not config.runtime.disable_apparmor and not modules.parser:
        yield NO_PARSER.report(
            "AppArmor is on, and there is no apparmor_parser: pods with the default profile fail",
            "$ apt install apparmor",
        )
    if modules.enforcing and not config.runtime.enable_selinux:
        yield NO_LABELS.report(
            "SELinux enforces, and runtime.enable_selinux is false: containers are not confined from each other",
            "set in the configuration, under [runtime]:",
            "enable_selinux = true",
            restart,
        )
    if config.runtime.enable_selinux and modules.enforcing is None:
        yield NO_SELINUX.report(
            "runtime.enable_selinux is true, and the kernel has no SELinux: labels are ignored",
            "set in the configuration, under [runtime]:",
            "enable_selinux = false",
            restart,
        )
