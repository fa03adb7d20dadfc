"""Examine the node: read the facts of all checks, in an order in which later ones know what they need."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cri_shim.doctor.checks import (
    cgroups,
    checkpoints,
    clock,
    cni,
    cni_programs,
    configuration,
    containerd,
    daemons,
    directories,
    image_verifiers,
    kubelet,
    leftovers,
    limits,
    mounts,
    ports,
    rights,
    runtime_features,
    runtimes,
    sandbox_image,
    security_modules,
    unowned,
)
from cri_shim.doctor.codes import CODES
from cri_shim.doctor.containerd_answers import ask
from cri_shim.doctor.examination import Examination
from cri_shim.doctor.facts.kubelet_settings import read_kubelet
from cri_shim.doctor.facts.programs import path_of_process, search, usual_path
from cri_shim.kernel.mountinfo import mount_of, read_mountinfo
from cri_shim.oci.node_facts import NodeFacts
from cri_shim.paths import Paths

if TYPE_CHECKING:
    from cri_shim.config import Config, ConfigError
    from cri_shim.doctor.containerd_answers import Answers
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

_LOGS: Final = "/var/log/pods"


def examine_mistakes(error: ConfigError, place: Place) -> list[Outcome]:
    """Return the outcomes for a configuration that cannot be used: its mistakes, and nothing else."""
    examination = Examination()
    examination.check(configuration.CODES, lambda: configuration.judge_configuration(error, place))
    examination.skip(
        (code for code in CODES if code not in configuration.CODES),
        f"the configuration says what to check, and {'cannot be read' if error.denied else 'is invalid'}",
    )
    return examination.outcomes


async def examine(config: Config, place: Place, examination: Examination, *, network: bool) -> None:
    """Examine the node; ``network`` allows to ask the registry of the sandbox image."""
    examination.check(configuration.CODES, list)
    examination.reading(daemons.TWO_DAEMONS)
    running = daemons.read_daemons(config, place)
    daemon = running.serving
    examination.check(
        rights.CODES,
        lambda: rights.judge_rights(rights.read_rights(place, daemon), place, daemon_runs=bool(daemon)),
    )
    examination.check(daemons.CODES, lambda: daemons.judge_daemons(running, config, place))
    # The directories are read before containerd's records: see the check.
    paths = Paths(Path(config.root), Path(config.state), config.runtime.netns_mounts_under_state_dir)
    examination.reading(leftovers.DIRECTORIES)
    remains = _Remains(paths, config.containerd.namespace, place)
    examination.reading(containerd.SILENT)
    answers = await ask(config, place)
    _containerd(examination, config, place, answers)
    _directories(examination, config, place, answers)
    await _runtimes(examination, config, place, answers)
    await _networks(examination, config, place, daemon)
    await _sandbox_image(examination, config, answers, network=network)
    examination.check(kubelet.CODES, lambda: kubelet.judge_kubelet(read_kubelet(place), config, place))
    node = NodeFacts.read(place.root)
    examination.check(
        cgroups.CODES,
        lambda: [
            *cgroups.judge_controllers(node, cgroups.read_root(place)),
            *cgroups.judge_drivers(node, config, place),
        ],
    )
    _mounts(examination, config, place, daemon, answers)
    holders = {lock.pid for lock in running.locks if lock.pid}
    examination.check(
        ports.CODES, lambda: ports.judge_ports(ports.read_users(ports.ports_of(config), place), holders, place)
    )
    examination.check(
        security_modules.CODES,
        lambda: security_modules.judge_modules(security_modules.read_modules(node, usual_path(), place), config, place),
    )
    _limits(examination, place, daemon, answers.socket.pid)
    remains.check(examination, answers, daemon_runs=bool(daemon))
    examination.check(clock.CODES, lambda: clock.judge_clock(clock.read_clock()))
    examination.reading(checkpoints.NO_CRIU)
    criu = search("criu", usual_path(), place)
    answer = await checkpoints.read_criu(criu)
    examination.check(checkpoints.CODES, lambda: checkpoints.judge_criu(criu, answer))


def _containerd(examination: Examination, config: Config, place: Place, answers: Answers) -> None:
    version, *plugins = containerd.NEEDS_ANSWER
    obstacles = list(containerd.judge_socket(answers.socket, config.containerd.address, place))
    if not answers.is_containerd:
        reported = {outcome.code for outcome in obstacles}
        examination.outcomes += obstacles
        examination.skip((code for code in containerd.CODES if code.name not in reported), answers.reason)
        examination.skip(image_verifiers.CODES, answers.reason)
        return
    examination.check(containerd.REACHABLE, lambda: obstacles)
    examination.check([version], lambda: containerd.judge_version(answers.socket.version))
    if answers.plugins is None:
        examination.check(
            plugins, lambda: [code.unknown(answers.reason, place.service("restart", "containerd")) for code in plugins]
        )
        examination.skip(image_verifiers.CODES, answers.reason)
        return
    answered = answers.plugins
    examination.check(plugins, lambda: containerd.judge_plugins(answered, config, place))
    examination.check(
        image_verifiers.CODES,
        lambda: image_verifiers.judge_verifiers(
            answered, image_verifiers.read_verifiers(answers.socket.pid, place), config, place
        ),
    )


def _directories(examination: Examination, config: Config, place: Place, answers: Answers) -> None:
    examination.reading(directories.UNUSABLE)
    own = directories.read_directories([("root", config.root), ("state", config.state)], place)
    own.append(directories.read_socket(config.socket_path, place))
    examination.reading(directories.FULL)
    snapshots = directories.read_directories(
        [("containerd's root", answers.directory(config.containerd.snapshotter)), ("logs of pods", _LOGS)], place
    )
    examination.check([directories.UNUSABLE], lambda: directories.judge_usable(own, place))
    examination.check([directories.FULL, directories.NEARLY_FULL], lambda: directories.judge_space([*own, *snapshots]))


async def _runtimes(examination: Examination, config: Config, place: Place, answers: Answers) -> None:
    examination.reading(runtimes.SHIM_MISSING)
    programs = runtimes.read_programs(config, place, answers.socket.pid)
    examination.check(runtimes.CODES, lambda: runtimes.judge_programs(programs, place))
    examination.reading(runtime_features.UNKNOWN)
    features = await runtime_features.read_features(config, programs)
    node = NodeFacts.read(place.root)

    def judge() -> list[Outcome]:
        mounts_here = read_mountinfo(str(place.proc / "self/mountinfo"))
        directory = answers.directory(config.containerd.snapshotter)
        try:
            filesystem = mount_of(os.path.realpath(directory), mounts_here).fstype
        except LookupError:
            filesystem = ""
        return list(runtime_features.judge_features(features, node, filesystem))

    examination.check(runtime_features.CODES, judge)


async def _networks(examination: Examination, config: Config, place: Place, daemon: int) -> None:
    examination.reading(cni.NO_NETWORK)
    files = cni.read_files(config.cni, place)
    examination.check(cni.CODES, lambda: cni.judge_files(files, config.cni, place))
    networks = [file.network for file in files.used(config.cni.max_conf_num) if file.network is not None]
    plugin_codes = [cni_programs.MISSING, cni_programs.NOT_EXECUTABLE]
    directories_of_plugins = config.cni.plugin_dirs
    if not networks:
        examination.skip(plugin_codes, "there is no network")
    else:
        examination.reading(cni_programs.MISSING)
        programs = cni_programs.read_plugins(networks, directories_of_plugins, place)
        examination.check(
            plugin_codes, lambda: cni_programs.judge_plugins(networks, programs, directories_of_plugins, place)
        )
    path = (path_of_process(daemon, place) if daemon else None) or usual_path()
    examination.reading(cni_programs.NO_IPTABLES)
    packet_filter = await cni_programs.read_filter(place, path)
    examination.check(
        [code for code in cni_programs.CODES if code not in plugin_codes],
        lambda: cni_programs.judge_filter(networks, packet_filter),
    )


async def _sandbox_image(examination: Examination, config: Config, answers: Answers, *, network: bool) -> None:
    present = answers.has_sandbox_image
    if present is None:
        examination.skip(sandbox_image.CODES, answers.reason)
        return
    examination.reading(sandbox_image.MISSING)
    obstacle = await sandbox_image.pull_obstacle(config) if network and not present else None
    examination.check(sandbox_image.CODES, lambda: sandbox_image.judge_image(present, config, obstacle))


def _mounts(examination: Examination, config: Config, place: Place, daemon: int, answers: Answers) -> None:
    containerd_pid = answers.socket.pid
    netns_dir = Path(config.state, "netns") if config.runtime.netns_mounts_under_state_dir else Path("/var/run/netns")
    examination.reading(mounts.HIDDEN)
    places = (config.state, config.root, os.path.realpath(netns_dir))
    if not containerd_pid:
        examination.skip([mounts.HIDDEN], answers.reason or "containerd's process cannot be seen from here")
    elif not place.is_root:
        examination.skip([mounts.HIDDEN], "only root sees the mount namespaces of other processes")
    else:
        examination.check(
            [mounts.HIDDEN],
            lambda: mounts.judge_namespaces(
                mounts.read_view(daemon, place), mounts.read_view(containerd_pid, place), places, place
            ),
        )
    subject = daemon if place.is_root else 0
    examination.check(
        [mounts.NOT_SHARED, mounts.NO_EXECUTION],
        lambda: mounts.judge_own(
            mounts.read_view(subject, place), config.root, needs_programs=config.containerd.shim_script
        ),
    )


def _limits(examination: Examination, place: Place, daemon: int, containerd_pid: int) -> None:
    examination.check(
        [limits.FEW_FILES],
        lambda: limits.judge_open_files(limits.read_open_files(daemon, place) if daemon else None, daemon, place),
    )
    examination.check([limits.INOTIFY], lambda: limits.judge_inotify(limits.read_inotify(place)))
    pids = {name: pid for name, pid in (("cri-shim", daemon), ("containerd", containerd_pid)) if pid}
    examination.check([limits.PIDS], lambda: limits.judge_pids(limits.read_pids(place, pids)))


class _Remains:
    """What is in the daemon's directories before containerd is asked for its records."""

    def __init__(self, paths: Paths, namespace: str, place: Place) -> None:
        self._place = place
        self._error: OSError | None = None
        self._here = leftovers.Leftovers({}, {})
        self._shared = unowned.Unowned()
        try:
            self._here = leftovers.read_leftovers(paths, place)
            self._shared = unowned.read_unowned(paths.netns_dir(), namespace, place)
        except OSError as error:
            self._error = error

    def check(self, examination: Examination, answers: Answers, *, daemon_runs: bool) -> None:
        """Compare with the records."""
        ids = answers.ids
        if ids is None:
            examination.skip((*leftovers.CODES, *unowned.CODES), answers.reason)
            return
        if self._error is not None:
            examination.check((*leftovers.CODES, *unowned.CODES), self._fail)
            return
        examination.check(
            leftovers.CODES,
            lambda: leftovers.judge_leftovers(self._here, ids, self._place, daemon_runs=daemon_runs),
        )
        examination.check(unowned.CODES, lambda: unowned.judge_unowned(self._shared, ids, answers.netns_paths))

    def _fail(self) -> list[Outcome]:
        if self._error is not None:
            raise self._error
        return []
