"""A sandbox and containers under real runc, made from the specs under test, without containerd."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.container_spec import ContainerSpecInput, build_container_spec
from cri_shim.oci.image_config import ImageConfig
from cri_shim.oci.mounts import pod_file_mounts
from cri_shim.oci.namespaces import PodNamespaces
from cri_shim.oci.options import SpecOptions
from cri_shim.oci.sandbox_spec import SandboxSpecInput, build_sandbox_spec
from cri_shim.oci.users import plan_user, resolve_user

if TYPE_CHECKING:
    from cri_shim.oci.defaults import Spec
    from cri_shim.oci.node_facts import NodeFacts

CGROUP = f"/cri-shim-test-oci-{os.getpid()}"
PASSWD = b"root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n"
GROUP = b"root:x:0:\napp:x:1001:\naudio:x:29:root,app\nvideo:x:44:app\n"
IMAGE = ImageConfig(env=("FROM_IMAGE=1", "BOTH=image"), cmd=("sh",), working_dir="/work")


@dataclass
class Pod:
    """A running sandbox and what is needed to run containers in it."""

    directory: Path
    rootfs: Path
    facts: NodeFacts
    config: cri.PodSandboxConfig
    options: SpecOptions = field(default_factory=SpecOptions)
    pid: int = 0
    ids: list[str] = field(default_factory=list)

    def runc(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["runc", "--root", str(self.directory / "runc"), *arguments],
            check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"runc {arguments}: {done.stdout}{done.stderr}"
        return done

    def bundle(self, name: str, spec: Spec) -> str:
        spec = {**spec, "root": {**spec["root"], "path": str(self.rootfs)}}
        directory = self.directory / name
        directory.mkdir()
        (directory / "config.json").write_text(json.dumps(spec))
        self.ids.append(name)
        return str(directory)

    def start_sandbox(self, netns: str) -> None:
        shm = self.directory / "shm"
        shm.mkdir()
        resolv = self.directory / "resolv.conf"
        resolv.write_text("nameserver 192.0.2.1\n")
        for name in ("hosts", "hostname"):
            (self.directory / name).write_text(f"{name} of the pod\n")
        spec = build_sandbox_spec(
            SandboxSpecInput(
                id=f"sandbox-{os.getpid()}",
                config=self.config,
                image_config=ImageConfig(user="65535:65535", entrypoint=("sleep", "600")),
                facts=self.facts,
                options=self.options,
                netns_path=netns,
                resolv_conf_path=str(resolv),
                shm_path=str(shm),
                hostname=self.config.hostname,
            )
        )
        name = f"sandbox-{os.getpid()}"
        # Its output goes nowhere: a detached container holds what it inherits open.
        subprocess.run(
            ["runc", "--root", str(self.directory / "runc"), "run", "-d", "-b", self.bundle(name, spec), name],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=60,
        )  # fmt: skip
        self.pid = json.loads(self.runc("state", name).stdout)["pid"]

    def spec(self, config: cri.ContainerConfig, **more) -> Spec:
        config.metadata.name = config.metadata.name or f"c{len(self.ids)}"
        security = config.linux.security_context
        options = more.pop("options", self.options)
        return build_container_spec(
            ContainerSpecInput(
                id=f"{config.metadata.name}-{os.getpid()}",
                sandbox_id=f"sandbox-{os.getpid()}",
                namespaces=PodNamespaces.of_process(self.pid),
                config=config,
                sandbox_config=self.config,
                image_config=IMAGE,
                user=resolve_user(plan_user(security, IMAGE), PASSWD, GROUP),
                facts=self.facts,
                options=options,
                hostname=self.config.hostname,
                extra_mounts=pod_file_mounts(
                    config.mounts,
                    hostname=str(self.directory / "hostname"),
                    hosts=str(self.directory / "hosts"),
                    resolv_conf=str(self.directory / "resolv.conf"),
                    shm=str(self.directory / "shm"),
                    readonly_rootfs=security.readonly_rootfs,
                ),
                **more,
            )
        )

    def run(self, config: cri.ContainerConfig, script: str, **more) -> str:
        """Run a script in a container and give what it printed; failing commands in it do not matter."""
        config.command[:] = ["sh", "-c"]
        config.args[:] = [f"{script}\ntrue"]
        spec = self.spec(config, **more)
        name = f"{config.metadata.name}-{os.getpid()}"
        return self.runc("run", "-b", self.bundle(name, spec), name).stdout

    def status(self, config: cri.ContainerConfig, **more) -> dict[str, str]:
        text = self.run(config, "cat /proc/self/status", **more)
        return {line.partition(":")[0]: line.partition(":")[2].strip() for line in text.splitlines()}


def make_rootfs(directory: Path) -> Path:
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "work", "data"):
        (directory / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", directory / "bin/busybox")
    for applet in subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (directory / "bin" / applet).symlink_to("busybox")
    (directory / "etc/passwd").write_bytes(PASSWD)
    (directory / "etc/group").write_bytes(GROUP)
    return directory


def wait_for_own_network(pid: int) -> None:
    deadline = time.monotonic() + 5
    while os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        assert time.monotonic() < deadline, "unshare made no network namespace"
        time.sleep(0.01)


def remove_cgroups(path: str) -> None:
    roots = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]
    for directory in (root / path.lstrip("/") for root in roots):
        with contextlib.suppress(OSError):
            directory.rmdir()


def container(**security) -> cri.ContainerConfig:
    return cri.ContainerConfig(
        linux=cri.LinuxContainerConfig(security_context=cri.LinuxContainerSecurityContext(**security))
    )


RUNTIME_DEFAULT = cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault)
