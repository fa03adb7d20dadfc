"""Whether the node's kubelet and this configuration agree: on the socket, and on the cgroup driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.containerd_socket import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.config import Config
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.kubelet_settings import KubeletSettings
    from cri_shim.doctor.facts.place import Place

ELSEWHERE = Code(
    "kubelet-uses-another-runtime", "warning", "the kubelet uses another socket", "the kubelet uses cri-shim's socket"
)
CRIO_NAME = Code(
    "socket-named-like-crio",
    "error",
    "the socket has the name by which the kubelet recognises CRI-O, so it takes no statistics from cri-shim",
    "the kubelet takes statistics from cri-shim",
)
DRIVER = Code(
    "cgroup-driver-mismatch",
    "warning",
    "kubelet and cri-shim make cgroups differently",
    "kubelet and cri-shim make cgroups in the same way",
)
CADVISOR = Code(
    "kubelet-watches-another-containerd",
    "note",
    "the kubelet's cAdvisor connects to another containerd",
    "the kubelet's cAdvisor connects to the same containerd",
)
CODES: Final = (ELSEWHERE, CRIO_NAME, DRIVER, CADVISOR)

CRIO_SUFFIX: Final = "run/crio/crio.sock"
_CADVISORS: Final = "/run/containerd/containerd.sock"
_FILE: Final = "/var/lib/kubelet/config.yaml"


def judge_kubelet(kubelet: KubeletSettings, config: Config, place: Place) -> Iterator[Outcome]:
    """Judge the kubelet's settings; a node without a kubelet has nothing to report."""
    if config.socket_path.endswith(CRIO_SUFFIX):
        yield CRIO_NAME.report(
            f"socket_path ends with {CRIO_SUFFIX}: the kubelet takes statistics from cAdvisor instead",
            "set socket_path in the configuration to /run/cri-shim/cri-shim.sock, and the kubelet's endpoint likewise",
        )
    if not kubelet.present:
        yield from (
            code.fine("there is no process or file of a kubelet here") for code in (ELSEWHERE, DRIVER, CADVISOR)
        )
        return
    restart = place.service("restart", "kubelet")
    yield from _endpoint(kubelet, config, restart, place)
    yield from _driver(kubelet, config, restart, place)
    yield from _cadvisor(kubelet, config, restart)


def _endpoint(kubelet: KubeletSettings, config: Config, restart: str, place: Place) -> Iterator[Outcome]:
    endpoint, ours = kubelet.endpoint, config.socket_path
    if endpoint.unknown_reason:
        yield ELSEWHERE.unknown(f"which runtime the kubelet uses is unknown: {endpoint.unknown_reason}", *_see(place))
    elif path_of(endpoint.value) not in {ours, ours.replace("/run/", "/var/run/", 1)}:
        value = endpoint.value or "containerd's socket, its default"
        where = f" ({endpoint.where})" if endpoint.where else ""
        yield ELSEWHERE.report(
            f"the kubelet uses {value}{where}, not {ours}",
            f"set in {endpoint.where if endpoint.where.startswith('/') else _FILE}:",
            f"containerRuntimeEndpoint: unix://{ours}",
            "remove the flag --container-runtime-endpoint, if there is one",
            restart,
        )
    else:
        yield ELSEWHERE.fine(f"the kubelet uses {ours} ({endpoint.where})")


def _driver(kubelet: KubeletSettings, config: Config, restart: str, place: Place) -> Iterator[Outcome]:
    driver = kubelet.cgroup_driver
    for handler in config.containerd.runtimes.values():
        ours = "systemd" if handler.options.systemd_cgroup else "cgroupfs"
        if driver.unknown_reason:
            yield DRIVER.unknown(f"the kubelet's cgroup driver is unknown: {driver.unknown_reason}", *_see(place))
            return
        if driver.value == ours:
            continue
        if not driver.value:
            # Its default is cgroupfs; from 1.31 on it asks the runtime and ignores the setting.
            if ours == "systemd":
                yield DRIVER.unknown(
                    f"the kubelet sets no cgroupDriver: up to 1.30 it uses cgroupfs, handler {handler.name} systemd",
                    f"set in {_FILE}:",
                    "cgroupDriver: systemd",
                    restart,
                )
            continue
        yield DRIVER.report(
            f"the kubelet makes cgroups by {driver.value} ({driver.where}), handler {handler.name} by {ours}: kubelets "
            "up to 1.30 cannot start pods; later ones ask cri-shim",
            f"set in the configuration, under [containerd.runtimes.{handler.name}.options]:",
            f"SystemdCgroup = {'true' if driver.value == 'systemd' else 'false'}",
            place.service("restart", "cri-shim"),
        )


def _cadvisor(kubelet: KubeletSettings, config: Config, restart: str) -> Iterator[Outcome]:
    theirs = kubelet.containerd.value or _CADVISORS
    address = path_of(config.containerd.address)
    if kubelet.pid and path_of(theirs) != address:
        yield CADVISOR.report(
            f"the kubelet's cAdvisor connects to {theirs}, cri-shim to {address}: pods have no network statistics",
            f"start the kubelet with --containerd={address}",
            restart,
        )
    elif kubelet.pid and config.containerd.namespace != "k8s.io":
        yield CADVISOR.report(
            f"the kubelet's cAdvisor sees only the namespace k8s.io, not {config.containerd.namespace}",
            "set containerd.namespace in the configuration to k8s.io, unless containerd's CRI plugin is on",
        )


def _see(place: Place) -> tuple[str, ...]:
    return ("read the file that the reason names",) if place.is_root else (place.sudo(),)
