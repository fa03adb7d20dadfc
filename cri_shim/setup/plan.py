"""Decide what a node lacks: a pure function from what is there to the changes, in the order in which to make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from cri_shim.config import default_toml
from cri_shim.setup import containerd_files, targets
from cri_shim.setup.checksum import checksum
from cri_shim.setup.containerd_unit import DEFAULT_CONFIG
from cri_shim.setup.crictl_file import changed_crictl, new_crictl, with_socket
from cri_shim.setup.sample_network import free_subnet, sample_network
from cri_shim.setup.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cri_shim.setup.node import Node

Command = Literal["daemon-reload", "restart-containerd", "enable"]
"""What is done with systemd, after the files are there and in this order."""
COMMANDS: Final[tuple[Command, ...]] = ("daemon-reload", "restart-containerd", "enable")


_NEEDED: Final = frozenset({targets.CONTAINERD_CONFIG, targets.CONTAINERD_DROP_IN})
"""Without these containerd would keep its CRI plugin, and two owners would share the pods."""


class Options(Struct, frozen=True):
    """What the administrator asks for."""

    cni_sample: bool = False
    pods_only: bool = False
    kubelet: bool | None = None
    """None: if there is one."""
    start: bool = True
    force: bool = False


class MakeDirectory(Struct, frozen=True):
    """A directory that is missing."""

    path: str
    mode: int = 0o755


class WriteFile(Struct, frozen=True):
    """A file that is missing, or that gets another content."""

    path: str
    content: bytes
    what: str
    before: bytes | None = None
    mode: int = 0o644
    copied: bool = False
    """Whether a copy of what is there is kept; not of what an earlier set-up wrote."""


Change = MakeDirectory | WriteFile


class Plan(Struct, frozen=True):
    """What a set-up changes, in order, and what the administrator has to know about it."""

    changes: tuple[Change, ...] = ()
    commands: tuple[Command, ...] = ()
    notes: tuple[str, ...] = ()
    """What the administrator should know and may have to do."""
    problems: tuple[str, ...] = ()
    """Why the set-up cannot be made."""


class _Wanted(Struct, frozen=True):
    path: str
    text: str
    what: str
    keep: bool = False
    """Whether a file that is there already stays, whatever is in it."""


class _Planner:
    def __init__(self, node: Node, options: Options, known: Mapping[str, tuple[str, ...]]) -> None:
        self.node = node
        self.options = options
        self.known = known
        self.changes: list[Change] = []
        self.notes: list[str] = []
        self.problems: list[str] = []
        self._made: set[str] = set()

    def want(self, wanted: _Wanted) -> None:
        """Plan a file; one that was changed since we wrote it stays, unless that is forced."""
        existing, content = self.node.files.get(wanted.path), wanted.text.encode()
        if existing is None:
            self._want_parents(wanted.path)
            self.changes.append(WriteFile(wanted.path, content, wanted.what))
            return
        if wanted.keep and existing.leads_nowhere:
            self.problems.append(f"{wanted.path} is a symbolic link to nothing: move it away, or make the file")
            return
        if wanted.keep or existing.content == content:
            return
        ours = self.known.get(wanted.path, ())
        if existing.problem and wanted.path in _NEEDED:
            self.problems.append(f"{wanted.path} is {existing.problem}: move it away, so that the set-up can write it")
        elif existing.problem:
            self.notes.append(f"{wanted.path} is {existing.problem} and stays as it is; it should: {wanted.what}")
        elif ours and checksum(existing.content) not in ours and not self.options.force:
            self.notes.append(f"{wanted.path} was changed since the last set-up and stays (--force replaces it)")
        else:
            copied = checksum(existing.content) not in ours[1:]
            change = WriteFile(wanted.path, content, wanted.what, existing.content, existing.mode, copied)
            self.changes.append(change)

    def want_directory(self, path: str) -> None:
        """Plan a directory and those above it."""
        self._want_parents(f"{path}/any")

    def _want_parents(self, path: str) -> None:
        for parent in targets.parents(path):
            if parent not in self.node.directories and parent not in self._made:
                self._made.add(parent)
                self.changes.append(MakeDirectory(parent, targets.MODES.get(parent, 0o755)))


def make_plan(node: Node, options: Options, known: Mapping[str, tuple[str, ...]], pending: tuple[str, ...]) -> Plan:
    """Return what is missing.

    ``known`` has the checksums of what earlier set-ups replaced and wrote, by path, and ``pending`` the commands that
    one which broke off has not come to.
    """
    planner = _Planner(node, options, known)
    planner.want_directory(targets.STATE)
    _plan_own_config(planner)
    _plan_containerd(planner)
    _plan_unit(planner)
    _plan_crictl(planner)
    if options.kubelet or (options.kubelet is None and node.kubelet):
        _plan_kubelet(planner)
    _plan_network(planner)
    needed = {*pending, *_needed(planner.changes, node)}
    if not node.containerd.unit:  # removed since a set-up broke off
        needed.discard("restart-containerd")
    commands = tuple(one for one in COMMANDS if one in needed) if options.start or planner.changes else ()
    return Plan(tuple(planner.changes), commands, tuple(planner.notes), tuple(planner.problems))


def _plan_own_config(planner: _Planner) -> None:
    driver = planner.node.cgroup_driver
    what = "every setting, with its default"
    if driver.systemd:
        what += f", and SystemdCgroup = true ({driver.why})"
    planner.want(_Wanted(targets.OWN_CONFIG, default_toml(systemd_cgroup=driver.systemd), what, keep=True))
    if driver.unknown_reason and targets.OWN_CONFIG not in planner.node.files:
        planner.notes.append(
            f"the kubelet's cgroup driver is unknown ({driver.unknown_reason}): set SystemdCgroup in "
            f"{targets.OWN_CONFIG} to true if it is systemd"
        )


def _plan_containerd(planner: _Planner) -> None:
    node = planner.node
    if node.namespace != "k8s.io":
        planner.notes.append(
            f"containerd.namespace is {node.namespace}, where containerd's CRI plugin has no pods: it stays on"
        )
        return
    command = node.containerd
    if not command.unit:
        planner.notes.append(f"no containerd.service: start containerd with --config {targets.CONTAINERD_CONFIG}")
    if command.later:
        planner.problems.append(
            f"{command.later} sets ExecStart of containerd after {targets.DROP_IN} would: give it a name that sorts "
            "before that, or remove it"
        )
    if "containerd" not in command.program.rpartition("/")[2]:
        planner.problems.append(
            f"{command.unit} starts containerd through {command.program}, which takes no --config: start containerd "
            f"itself, by a drop-in whose name sorts before {targets.DROP_IN}"
        )
        return
    if variables := [word for word in command.arguments if word.startswith("$")]:
        planner.notes.append(
            f"{command.unit} passes {' '.join(variables)} to containerd; a --config in there is not imported: move it "
            "to ExecStart"
        )
    if command.config == targets.CONTAINERD_CONFIG:
        planner.problems.append(f"containerd is started with {targets.CONTAINERD_CONFIG} by a file that is not ours")
    if node.containerd_problem:
        planner.problems.append(f"containerd's configuration cannot be read: {node.containerd_problem}")
        return
    version = containerd_files.config_version(node.containerd_files)
    if not node.containerd_files and command.config != DEFAULT_CONFIG:
        planner.problems.append(f"containerd is started with {command.config}, which does not exist")
    text = containerd_files.containerd_config(
        command, version, pods_only=planner.options.pods_only, snapshotters=node.snapshotters
    )
    address = containerd_files.listening_address(command, node.containerd_files)
    if address and address != targets.socket_of(node.containerd_address):
        planner.notes.append(
            f"containerd listens on {address}, and the daemon calls {node.containerd_address}: set address in "
            f"[containerd] of {targets.OWN_CONFIG}, then run `systemctl restart {targets.UNIT}`"
        )
    planner.problems += [
        f"{file} has {', '.join(required)} in required_plugins, so containerd would not start without them: remove "
        "them there"
        for file, required in containerd_files.required_disabled(node.containerd_files, text)
    ]
    planner.want(
        _Wanted(
            targets.CONTAINERD_CONFIG,
            text,
            f"import {command.config} and disable the CRI plugin",
        )
    )
    planner.want(
        _Wanted(
            targets.CONTAINERD_DROP_IN,
            containerd_files.containerd_drop_in(command),
            f"start containerd with {targets.CONTAINERD_CONFIG}",
        )
    )


def _plan_unit(planner: _Planner) -> None:
    node = planner.node
    if node.own_unit and node.own_unit != targets.OWN_UNIT:
        return  # a package has installed it
    # Every command of the unit, not only the one that starts the daemon: a reload runs the program, too.
    text = shipped(targets.UNIT).replace("=/usr/bin/cri-shim ", f"={node.program} ")
    planner.want(_Wanted(targets.OWN_UNIT, text, "the service of the daemon"))


def _plan_crictl(planner: _Planner) -> None:
    node = planner.node
    existing = node.files.get(targets.CRICTL)
    what = f"use {node.socket_path}"
    if existing is None:
        planner.want(_Wanted(targets.CRICTL, new_crictl(node.socket_path), what))
        return
    try:
        text = changed_crictl(existing.content.decode(), node.socket_path)
    except ValueError as error:
        planner.notes.append(f"{targets.CRICTL} stays as it is: {error}")
        return
    planner.want(_Wanted(targets.CRICTL, text, what))


def _plan_kubelet(planner: _Planner) -> None:
    node = planner.node
    planner.want(
        _Wanted(targets.KUBELET_DROP_IN, shipped(f"kubelet.service.d/{targets.DROP_IN}"), "start it after cri-shim")
    )
    text = with_socket(shipped(f"kubelet.conf.d/{targets.DROP_IN}"), node.socket_path)
    planner.want(_Wanted(targets.KUBELET_CONFIG, text, f"use {node.socket_path}"))
    if node.other_endpoint:
        planner.notes.append(
            f"{node.other_endpoint} has --container-runtime-endpoint, which the kubelet prefers to its configuration: "
            f"set it to unix://{node.socket_path} there, or remove it"
        )
    if node.flags_unknown:
        planner.notes.append(
            f"the kubelet's flags are unknown ({node.flags_unknown}): one that names another endpoint has precedence"
        )
    if not node.reads_config_dir:
        planner.notes.append(
            f"the kubelet reads {targets.KUBELET_CONFIG} only when it runs with "
            f"--config-dir={targets.KUBELET_CONFIG.rpartition('/')[0]}; otherwise set containerRuntimeEndpoint: "
            f"unix://{node.socket_path} in its configuration"
        )


def _plan_network(planner: _Planner) -> None:
    node, path = planner.node, f"{planner.node.conf_dir}/{targets.SAMPLE_NETWORK}"
    if node.networks:
        return
    if not planner.options.cni_sample:
        planner.notes.append(f"{node.conf_dir} has no network, so pods cannot start (--cni-sample makes one)")
        return
    subnet = free_subnet(node.taken)
    if subnet is None:
        planner.problems.append("no subnet for a sample network is free; write a network without --cni-sample")
        return
    planner.want(_Wanted(path, sample_network(subnet), f"a bridge with the addresses {subnet}"))


def _needed(changes: list[Change], node: Node) -> Iterator[Command]:
    paths = [change.path for change in changes if isinstance(change, WriteFile)]
    if any(path.startswith(f"{targets.UNITS}/") for path in paths):
        yield "daemon-reload"
    if node.containerd.unit and {targets.CONTAINERD_CONFIG, targets.CONTAINERD_DROP_IN} & set(paths):
        yield "restart-containerd"
    if not (node.enabled and node.active) and (node.systemd or changes):
        yield "enable"
