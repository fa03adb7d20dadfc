"""A real kubelet on the guest, standalone, with static pods: its configuration, its unit, what it says of its pods.

Debian has no kubelet, so one is carried into the guest: ``make test-guest SUITES=kubelet GUEST_KUBELET=/path/to/it``.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.patience import patient
from tests.guest.installed import SOCKET, systemctl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM: Final = Path("/opt/packages/kubelet")
UNIT: Final = "kubelet.service"
DIRECTORY: Final = Path("/etc/kubernetes")
MANIFESTS: Final = DIRECTORY / "manifests"
ADDRESS: Final = "10.88.77.1"
SERVER: Final = "https://127.0.0.1:10250"
# A kubelet's defaults but for: no API server and so no authentication, limits of eviction that the guest's small disk
# stays away from, and shorter times.
CONFIGURATION: Final = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "containerRuntimeEndpoint": f"unix://{SOCKET}",
    "cgroupDriver": "systemd",
    "staticPodPath": str(MANIFESTS),
    "resolvConf": str(DIRECTORY / "resolv.conf"),
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "address": "127.0.0.1",
    "enforceNodeAllocatable": ["pods"],
    "systemReserved": {"memory": "200Mi", "cpu": "100m"},
    "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    "enableControllerAttachDetach": False,
    "failSwapOn": False,
    "fileCheckFrequency": "2s",
    "syncFrequency": "10s",
    "podPidsLimit": 500,
}
SERVICE: Final = f"""[Unit]
Description=kubelet
After=cri-shim.service
StartLimitIntervalSec=0
[Service]
ExecStart={PROGRAM} --config {DIRECTORY}/kubelet.json --hostname-override=guest --node-ip={ADDRESS}
Restart=always
RestartSec=2
"""
_RESOURCES: Final[dict[str, dict[str, Any]]] = {
    "guaranteed": {"requests": {"cpu": "200m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}},
    "burstable": {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"memory": "96Mi"}},
    "besteffort": {},
}


@contextmanager
def kubelet() -> Iterator[None]:
    """Run a kubelet under systemd, and end it with its pods."""
    MANIFESTS.mkdir(parents=True, exist_ok=True)
    (DIRECTORY / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (DIRECTORY / "kubelet.json").write_text(json.dumps(CONFIGURATION))
    Path("/etc/systemd/system", UNIT).write_text(SERVICE)
    for arguments in (("add", "kubelet0", "type", "bridge"), ("set", "kubelet0", "up")):
        subprocess.run(["ip", "link", *arguments], check=True)
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/24", "dev", "kubelet0"], check=True)
    systemctl("daemon-reload")
    systemctl("start", UNIT)
    try:
        yield
    finally:
        for manifest in MANIFESTS.iterdir():
            manifest.unlink()
        systemctl("stop", UNIT)
        subprocess.run(["ip", "link", "delete", "kubelet0"], check=True)


def write_pod(name: str, image: str, script: str, *, qos: str = "", grace: int = 1) -> None:
    """Write the manifest of a static pod of a QoS class with one container."""
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", script],
        "resources": _RESOURCES[qos or name],
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"terminationGracePeriodSeconds": grace, "containers": [container]},
    }
    (MANIFESTS / f"{name}.json").write_text(json.dumps(manifest))


def remove_pod(name: str) -> None:
    """Remove the manifest of a pod."""
    (MANIFESTS / f"{name}.json").unlink()


def fetched(path: str) -> Any:
    """Return what the kubelet's server answers; raises OSError while it does not."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(SERVER + path, context=trusting, timeout=patient(12)) as answer:
        return json.load(answer)


def pods() -> dict[str, dict[str, Any]]:
    """Return the kubelet's pods by the names in their manifests; none while it does not answer."""
    try:
        items = fetched("/pods")["items"] or []
    except OSError:
        return {}
    return {each["metadata"]["name"].removesuffix("-guest"): each for each in items}


def container_status(name: str) -> dict[str, Any]:
    """Return the status of a pod's container; empty if the kubelet has none yet."""
    statuses = pods().get(name, {}).get("status", {}).get("containerStatuses") or [{}]
    return dict(statuses[0])


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something to become true; raises AssertionError with what the kubelet says last."""
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        if time.monotonic() > deadline:
            command = ["journalctl", "--no-pager", "--unit", UNIT, "--lines", "40"]
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            raise AssertionError(f"not within {seconds} s\n{said[-6000:]}")
        time.sleep(1)
