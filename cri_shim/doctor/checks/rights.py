"""What the daemon may do: root, capabilities, and negative OOM scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import text_of
from cri_shim.oci import capabilities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

NOT_ROOT = Code("not-root", "error", "cri-shim does not run as root", "the doctor runs as root")
CAPABILITIES = Code(
    "capabilities-missing", "error", "root lacks a capability that every pod needs", "root has the needed capabilities"
)
USER_NAMESPACE = Code(
    "in-user-namespace", "warning", "cri-shim runs in a user namespace", "cri-shim runs in the first user namespace"
)
OOM_SCORE = Code(
    "oom-score-clamped",
    "warning",
    "OOM scores cannot be lowered (CAP_SYS_RESOURCE), so pods do not get theirs",
    "OOM scores can be lowered",
)
CODES: Final = (NOT_ROOT, CAPABILITIES, USER_NAMESPACE, OOM_SCORE)

_NEEDED: Final = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_KILL")
_WHOLE_MAP: Final = ["0", "0", "4294967295"]


class Rights(Struct, frozen=True):
    """The rights of one process: of the running daemon, or of this one. ``uid_map`` is None if it is unreadable."""

    uid: int
    capabilities: tuple[str, ...]
    uid_map: tuple[str, ...] | None
    whose: str


def read_rights(place: Place, daemon: int) -> Rights | None:
    """Return the rights of the process ``daemon``, or with 0 of this process; None if it has ended."""
    process = place.proc / (str(daemon) if daemon else "self")
    status = text_of(process / "status")
    if not status:
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    try:
        uid_map = text_of(process / "uid_map")
    except PermissionError:
        uid_map = None
    return Rights(
        uid=int(fields["Uid"].split()[1]),
        capabilities=capabilities.from_mask(int(fields["CapEff"], 16)),
        uid_map=None if uid_map is None else tuple(uid_map.split()),
        whose=f"the daemon (process {daemon})" if daemon else "this shell",
    )


def root_needed(uid: int) -> str:
    """Return why a daemon of this user cannot start; empty for root."""
    return "" if uid == 0 else f"cri-shim must run as root, and this is user {uid}: run it as the service, or with sudo"


def judge_rights(rights: Rights | None, place: Place, *, daemon_runs: bool) -> Iterator[Outcome]:
    """Judge the rights of the daemon, or those that a daemon started from here would have."""
    if not place.is_root:
        yield NOT_ROOT.unknown(
            f"this is user {place.uid}: what only root can read was not checked, and is not known to be fine",
            place.sudo(),
        )
    if rights is None or (not daemon_runs and not place.is_root):
        yield from (code.not_made("only root sees the rights of root") for code in (CAPABILITIES, OOM_SCORE))
        return
    if daemon_runs and rights.uid != 0:
        yield NOT_ROOT.report(f"{rights.whose} runs as user {rights.uid}: it cannot make a pod", "start it as root")
    if missing := [name for name in _NEEDED if name not in rights.capabilities]:
        yield CAPABILITIES.report(
            f"{rights.whose} lacks {', '.join(missing)}: no pod can be made",
            "remove CapabilityBoundingSet= from the unit; in a container, make it privileged",
        )
    if rights.uid_map is None:
        yield USER_NAMESPACE.not_made("only root sees the daemon's user namespace")
    elif list(rights.uid_map) != _WHOLE_MAP:
        yield USER_NAMESPACE.report(
            f"{rights.whose} is in a user namespace: devices, some mounts and sysctls are refused",
            "start it outside of the container or rootless environment",
        )
    if "CAP_SYS_RESOURCE" not in rights.capabilities:
        yield OOM_SCORE.report(
            f"{rights.whose} lacks CAP_SYS_RESOURCE: a container that requests a lower OOM score than the daemon's own "
            "gets the daemon's",
            "remove CapabilityBoundingSet= from the unit; in a container or guest without it, pods run all the same",
        )
