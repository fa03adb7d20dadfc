"""Whether containerd can be reached, which version it is, and whether its own CRI plugin is out of the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cri_shim.doctor.facts.code import Code
from cri_shim.node.cri_plugin import NAMES, NAMESPACE, serves_pods
from cri_shim.node.snapshotter_check import wanted_snapshotters
from cri_shim.node.snapshotter_root import PLUGIN_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from containerd_client.api.containerd.services.introspection.v1.introspection_pb2 import Plugin
    from cri_shim.config import Config
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.containerd_socket import SocketState
    from cri_shim.doctor.facts.place import Place

MISSING = Code("containerd-socket-missing", "error", "containerd's socket does not exist", "containerd's socket exists")
FORBIDDEN = Code(
    "containerd-socket-forbidden", "error", "containerd's socket may not be opened", "containerd's socket can be opened"
)
REFUSES = Code("containerd-not-listening", "error", "no process listens on containerd's socket", "containerd listens")
SILENT = Code("containerd-silent", "error", "containerd does not answer in time", "containerd answers")
NOT_CONTAINERD = Code(
    "not-containerd", "error", "the program on containerd's socket is not containerd", "the program there is containerd"
)
TOO_OLD = Code("containerd-too-old", "error", "containerd is older than 1.6", "containerd is 1.6 or later")
CRI_PLUGIN = Code(
    "containerd-cri-plugin-on",
    "error",
    "containerd's own CRI plugin serves pods in the same namespace",
    "containerd's own CRI plugin is off, or uses another namespace",
)
SNAPSHOTTER = Code(
    "snapshotter-missing",
    "error",
    "containerd lacks a snapshotter that the configuration names",
    "containerd has the configured snapshotters",
)
REACHABLE: Final = (MISSING, FORBIDDEN, REFUSES, SILENT, NOT_CONTAINERD)
NEEDS_ANSWER: Final = (TOO_OLD, CRI_PLUGIN, SNAPSHOTTER)
CODES: Final = (*REACHABLE, *NEEDS_ANSWER)
OLDEST: Final = (1, 6)


def judge_socket(state: SocketState, address: str, place: Place) -> Iterator[Outcome]:
    """Judge whether containerd can be reached; the first obstacle hides those after it."""
    restart = place.service("restart", "containerd")
    log = "$ journalctl -u containerd -n 20" if place.systemd else "read its log, which says why"
    match state.kind:
        case "missing":
            yield MISSING.report(
                f"{address} does not exist: containerd does not run, or uses another socket",
                place.service("start", "containerd"),
                "or set containerd.address in the configuration to the address that containerd has under [grpc]",
            )
        case "not-socket":
            yield MISSING.report(
                f"{address} is not a socket", "set containerd.address in the configuration to containerd's socket"
            )
        case "unusable":
            yield MISSING.report(
                f"{address} cannot be used: {state.detail}",
                "set containerd.address in the configuration to containerd's socket",
            )
        case "forbidden":
            said = f"{address}: permission denied"
            if place.is_root:
                yield FORBIDDEN.report(said, "let root open it: its directory or a security module refuses")
            else:
                yield FORBIDDEN.unknown(f"containerd could not be asked: {said}", place.sudo())
        case "refused":
            yield REFUSES.report(f"no process listens on {address}: containerd has ended", restart, log)
        case "hangs":
            yield SILENT.report(f"{address} accepts no connection: containerd hangs", restart, log)
        case "silent":
            yield SILENT.report(f"containerd accepts connections on {address} and does not answer", restart, log)
        case "other":
            yield NOT_CONTAINERD.report(
                f"a program answers on {address} that is not containerd: {state.detail}",
                "set containerd.address in the configuration to containerd's socket",
            )
        case "containerd":
            yield SILENT.fine(f"containerd {state.version} answers on {address}")


def version_of(text: str) -> tuple[int, int] | None:
    """Return major and minor number of what Version reports (``v2.1.9``, ``1.6.20~ds1``); None if there are none."""
    match = re.match(r"v?(\d{1,6})\.(\d{1,6})", text)
    return None if match is None else (int(match[1]), int(match[2]))


def judge_version(text: str) -> Iterator[Outcome]:
    """Report a containerd that is too old; a version without a number is unknown."""
    version = version_of(text)
    if version is None:
        yield TOO_OLD.unknown(f"containerd reports the version {text!r}, which has no number", "$ containerd --version")
    elif version < OLDEST:
        yield TOO_OLD.report(
            f"containerd is {text}; cri-shim needs 1.6 or later", "$ apt install containerd", "or another newer package"
        )
    else:
        yield TOO_OLD.fine(f"containerd is {text}")


def judge_plugins(plugins: Sequence[Plugin], config: Config, place: Place) -> Iterator[Outcome]:
    """Report containerd's own CRI plugin, and snapshotters that the configuration names and containerd lacks."""
    if config.containerd.namespace == NAMESPACE and serves_pods(plugins):
        names = ", ".join(f'"{name}"' for name in NAMES)
        yield CRI_PLUGIN.report(
            f"containerd's own CRI plugin is on and takes the pods in {NAMESPACE} for its own",
            "`cri-shim setup` disables it, and shows the changes first; by hand, add to /etc/containerd/config.toml, "
            "before the first [table]:",
            f"disabled_plugins = [{names}]",
            place.service("restart", "containerd"),
            "or give cri-shim a namespace of its own (containerd.namespace in the configuration)",
        )
    elif config.containerd.namespace != NAMESPACE and serves_pods(plugins):
        yield CRI_PLUGIN.fine(f"containerd's CRI plugin is on and uses {NAMESPACE}, not {config.containerd.namespace}")
    snapshotters = {plugin.id: plugin for plugin in plugins if plugin.type == PLUGIN_TYPE}
    present = sorted(name for name, plugin in snapshotters.items() if not plugin.HasField("init_err"))
    handlers = {name: handler.snapshotter for name, handler in config.containerd.runtimes.items()}
    for key, name in wanted_snapshotters(config.containerd.snapshotter, handlers).items():
        if name in present:
            continue
        failed = snapshotters[name].init_err.message if name in snapshotters else ""
        because = f" ({failed})" if failed else ""
        yield SNAPSHOTTER.report(
            f"{key} = {name!r}: containerd has no such snapshotter{because}; it has {', '.join(present) or 'none'}",
            f"set {key} in the configuration to one that containerd has, or remove it from disabled_plugins there",
        )
