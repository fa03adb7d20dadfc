"""What the OCI runtime of each handler can do, as it says itself (``runc features``)."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.kernel.process import run_program
from cri_shim.node.handler_features import features_from, user_namespace_obstacle
from untrusted import parse_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.config import Config
    from cri_shim.doctor.checks.runtimes import Programs
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.oci.node_facts import NodeFacts

UNKNOWN = Code(
    "runtime-features-unknown",
    "warning",
    "an OCI runtime does not say what it can do, so features are withheld from pods",
    "each OCI runtime says what it can do",
)
NO_SECCOMP = Code(
    "seccomp-missing",
    "error",
    "the kernel or an OCI runtime has no seccomp, so pods with a profile fail",
    "kernel and OCI runtimes have seccomp",
)
NO_CGROUP = Code(
    "runtime-lacks-cgroups",
    "error",
    "an OCI runtime does not support the node's cgroup version or the configured driver",
    "the OCI runtimes support the node's cgroups",
)
NO_USER_NAMESPACES = Code(
    "user-namespaces-unavailable",
    "note",
    "pods with `hostUsers: false` are refused",
    "pods may have user namespaces",
)
CODES: Final = (UNKNOWN, NO_SECCOMP, NO_CGROUP, NO_USER_NAMESPACES)

_SECONDS: Final = 5.0
_VERSION: Final = ("org.opencontainers.runc.version", "run.oci.crun.version")
_NO_IDMAP: Final = frozenset({"nfs", "nfs4", "cifs", "9p", "virtiofs", "fuse", "fuseblk", "zfs", "overlay", "aufs"})
"""File systems of which not all kernels can map ids; others (ext4, xfs, btrfs, tmpfs) can since 5.12 to 6.3."""


class Features(Struct, frozen=True):
    """The answer of one handler's runtime: JSON, or the reason why there is none."""

    handler: str
    program: str
    snapshotter: str
    systemd_cgroup: bool
    answer: bytes = b""
    reason: str = ""


async def read_features(config: Config, programs: Programs) -> list[Features]:
    """Ask the runtimes that are there."""
    handlers = config.containerd.runtimes
    return list(
        await asyncio.gather(
            *(
                _ask(
                    Features(
                        each.handler,
                        each.runtime.path,
                        handlers[each.handler].snapshotter or config.containerd.snapshotter,
                        handlers[each.handler].options.systemd_cgroup,
                    )
                )
                for each in programs.handlers
                if each.runtime is not None and each.runtime.path
            )
        )
    )


async def _ask(asked: Features) -> Features:
    def with_answer(answer: bytes = b"", reason: str = "") -> Features:
        return Features(asked.handler, asked.program, asked.snapshotter, asked.systemd_cgroup, answer, reason)

    try:
        done = await run_program([asked.program, "features"], os.environ, b"", time_limit=_SECONDS)
    except TimeoutError:
        return with_answer(reason=f"no answer within {_SECONDS:g} s")
    except OSError as error:
        return with_answer(reason=(error.strerror or str(error)).lower())
    if done.exit_code:
        said = done.stderr.decode(errors="replace").strip()[-200:]
        return with_answer(reason=f"exit code {done.exit_code}: {said}")
    return with_answer(done.stdout)


def judge_features(all_features: list[Features], node: NodeFacts, filesystem: str) -> Iterator[Outcome]:
    """Judge what the runtimes can do here; ``filesystem`` is the type of that of the snapshots, empty if unknown."""
    if not node.seccomp:
        yield NO_SECCOMP.report(
            "the kernel has no seccomp: pods with a seccomp profile fail", "run a kernel with CONFIG_SECCOMP_FILTER"
        )
    for each in all_features:
        if each.reason:
            yield _unanswered(each, each.reason)
            continue
        try:
            yield from _judge(each, node, filesystem)
        except ValueError as error:
            yield _unanswered(each, f"its answer is not valid: {error}")


def _unanswered(features: Features, reason: str) -> Outcome:
    return UNKNOWN.report(
        f"`{features.program} features` (handler {features.handler}): {reason}; pods get no user namespaces and no "
        "recursively read-only mounts",
        "install runc 1.1 or crun 1.8.6, or later:",
        f"$ apt install {features.program.rpartition('/')[2]}",
    )


def _judge(features: Features, node: NodeFacts, filesystem: str) -> Iterator[Outcome]:
    document = parse_object(features.answer)
    linux = document.object("linux")
    named = f"{features.program} (handler {features.handler})"
    annotations = document.text_map("annotations") if "annotations" in document else {}
    version = next((annotations[key] for key in _VERSION if key in annotations), "of an unknown version")
    yield UNKNOWN.fine(f"{named} is version {version}, and says what it can do")
    cgroup = None if linux is None else linux.object("cgroup")
    seccomp = None if linux is None else linux.object("seccomp")
    another = f"install a build of {features.program.rpartition('/')[2]} that supports it, as the distribution's does"
    if seccomp is not None and not seccomp.boolean("enabled"):
        yield NO_SECCOMP.report(f"{named} is built without seccomp: pods with a seccomp profile fail", another)
    if cgroup is not None:
        if not cgroup.boolean("v2" if node.cgroup_v2 else "v1"):
            yield NO_CGROUP.report(f"{named} does not support cgroup v{2 if node.cgroup_v2 else 1}", another)
        if features.systemd_cgroup and not cgroup.boolean("systemd"):
            yield NO_CGROUP.report(f"{named} cannot let systemd make cgroups (SystemdCgroup = true)", another)
    obstacle = (
        user_namespace_obstacle(features.snapshotter, node)
        or features_from(features.answer, node.kernel).why_no_user_namespaces
        or _filesystem_obstacle(filesystem)
    )
    if obstacle:
        yield NO_USER_NAMESPACES.report(
            f"handler {features.handler}: {obstacle}", "needed only for pods with `hostUsers: false`", *_mend(obstacle)
        )


def _filesystem_obstacle(filesystem: str) -> str:
    if filesystem in _NO_IDMAP:
        return f"the snapshots are on {filesystem}, whose mounts may not take mapped ids"
    return ""


def _mend(obstacle: str) -> tuple[str, ...]:
    return ("$ sysctl -w user.max_user_namespaces=15000",) if "max_user_namespaces" in obstacle else ()
