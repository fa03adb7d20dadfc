"""The specs that are built run under real runc and give what they say."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.container_spec import ContainerSpecInput, build_container_spec
from cri_shim.oci.image_config import ImageConfig
from cri_shim.oci.mounts import ResolvedMount, SourceMount, pod_file_mounts
from cri_shim.oci.namespaces import PodNamespaces
from cri_shim.oci.node import NodeFacts, read_device_grants, read_host_devices
from cri_shim.oci.options import Rlimit, SpecOptions
from cri_shim.oci.process import exec_process
from cri_shim.oci.resources import updated_spec
from cri_shim.oci.sandbox_spec import SandboxSpecInput, build_sandbox_spec
from cri_shim.oci.users import plan_user, resolve_user

if TYPE_CHECKING:
    from cri_shim.oci.defaults import Spec

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("runc") is None, reason="needs runc"),
    pytest.mark.skipif(not Path("/bin/busybox").exists(), reason="needs busybox-static"),
]

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


@pytest.fixture(scope="module")
def pod(tmp_path_factory):
    """A privileged pod with its own network namespace, hostname, sysctl and cgroup parent."""
    directory = tmp_path_factory.mktemp("pod")
    config = cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name="pod", namespace="ns", uid="uid"),
        hostname="podhost",
        linux=cri.LinuxPodSandboxConfig(cgroup_parent=CGROUP, sysctls={"net.ipv4.ip_default_ttl": "77"}),
    )
    config.linux.security_context.privileged = True
    holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    made = Pod(directory, make_rootfs(directory / "rootfs"), NodeFacts.read(), config)
    try:
        wait_for_own_network(holder.pid)
        made.start_sandbox(f"/proc/{holder.pid}/ns/net")
        yield made
    finally:
        for name in reversed(made.ids):
            made.runc("delete", "--force", name, check=False)
        holder.kill()
        holder.wait()
        remove_cgroups(CGROUP)


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


def test_sandbox_holds_the_namespaces_and_sysctls_of_the_pod(pod):
    """Hostname, sysctls (asked and default), uid and least CPU shares arrive in the sandbox and its namespaces."""
    out = pod.run(
        container(),
        "hostname; cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/net/ipv4/ip_unprivileged_port_start; "
        "cat /proc/sys/net/ipv4/ping_group_range; cat /etc/hosts /etc/resolv.conf; ls /proc/1/comm && cat /proc/1/comm",
    )
    assert out.splitlines() == [
        "podhost", "77", "0", "0\t2147483647", "hosts of the pod", "nameserver 192.0.2.1", "/proc/1/comm", "sleep",
    ]  # fmt: skip
    status = Path(f"/proc/{pod.pid}/status").read_text()
    assert "Uid:\t65535\t65535\t65535\t65535" in status
    assert "NoNewPrivs:\t1" in status
    if not pod.facts.cgroup_v2:
        shares = Path(f"/sys/fs/cgroup/cpu{CGROUP}/sandbox-{os.getpid()}/cpu.shares")
        assert shares.read_text().strip() == "2"


def test_ordinary_sandbox_starts_filtered(pod, tmp_path):
    """A sandbox as the kubelet asks for it, on the host's network, not privileged and with RuntimeDefault, runs."""
    config = cri.PodSandboxConfig(metadata=pod.config.metadata, linux=cri.LinuxPodSandboxConfig(cgroup_parent=CGROUP))
    config.linux.security_context.seccomp.MergeFrom(RUNTIME_DEFAULT)
    config.linux.security_context.namespace_options.network = cri.NODE
    spec = build_sandbox_spec(
        SandboxSpecInput(
            id=f"ordinary-{os.getpid()}",
            config=config,
            image_config=ImageConfig(
                user="1000", entrypoint=("sh", "-c"), cmd=("touch /x; grep Seccomp: /proc/self/status; id -u",)
            ),
            facts=pod.facts,
            resolv_conf_path="/etc/resolv.conf",
            shm_path=str(tmp_path),
            hostname="unused-on-the-host-network",
        )
    )
    name = f"ordinary-{os.getpid()}"
    done = pod.runc("run", "-b", pod.bundle(name, spec), name)
    assert done.stdout == "Seccomp:\t2\n1000\n"
    assert "Read-only file system" in done.stderr


def test_containers_of_a_pod_share_network_ipc_and_uts_but_not_pids_when_asked(pod):
    """Pid mode CONTAINER gives an own pid namespace, the other namespaces stay those of the pod."""
    config = container(namespace_options=cri.NamespaceOption(pid=cri.CONTAINER))
    out = pod.run(config, "for n in net ipc uts pid; do readlink /proc/self/ns/$n; done; cat /proc/1/comm").splitlines()
    sandbox = [os.readlink(f"/proc/{pod.pid}/ns/{name}") for name in ("net", "ipc", "uts", "pid")]
    assert out[:3] == sandbox[:3]
    assert out[3] != sandbox[3]
    assert out[4] == "sh"


def test_target_mode_joins_the_pids_of_another_container(pod):
    """Pid mode TARGET sees the target's process as pid 1."""
    config = container(namespace_options=cri.NamespaceOption(pid=cri.TARGET, target_id="x"))
    assert pod.run(config, "cat /proc/1/comm", target_pid=pod.pid).strip() == "sleep"


def test_user_groups_environment_and_directory(pod):
    """A user by number gets gid and groups from the image's files, and the supplemental ones."""
    config = container(run_as_user=cri.Int64Value(value=1000), supplemental_groups=[5000])
    config.envs.add(key="BOTH", value=b"request")
    config.envs.add(key="UMLAUT", value="ä=ö".encode())
    out = pod.run(config, "id -u; id -g; id -G; pwd; env")
    lines = out.splitlines()
    assert lines[:2] == ["1000", "1001"]
    assert sorted(map(int, lines[2].split())) == [29, 44, 1001, 5000]
    assert lines[3] == "/work"
    assert {"FROM_IMAGE=1", "BOTH=request", "UMLAUT=ä=ö", "HOSTNAME=podhost"} <= set(lines[4:])


def test_strict_policy_leaves_the_groups_of_the_image_out(pod):
    """With policy Strict only the given groups and the primary one remain."""
    config = container(
        run_as_username="app", supplemental_groups=[5000], supplemental_groups_policy=cri.Strict,
    )  # fmt: skip
    assert sorted(map(int, pod.run(config, "id -G").split())) == [1001, 5000]


def test_capabilities(pod):
    """Default, dropped and added capabilities are in the process, and nothing is inheritable or ambient."""
    default = pod.status(container())
    assert int(default["CapEff"], 16) == int(default["CapBnd"], 16) == 0xA80425FB
    assert int(default["CapInh"], 16) == int(default["CapAmb"], 16) == 0
    only = pod.status(container(capabilities=cri.Capability(drop_capabilities=["ALL"], add_capabilities=["KILL"])))
    assert int(only["CapEff"], 16) == 1 << 5
    most = pod.status(container(capabilities=cri.Capability(add_capabilities=["ALL"], drop_capabilities=["CHOWN"])))
    own = int(Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16)
    assert int(most["CapEff"], 16) == own & ~1


def test_no_new_privs_and_oom_score(pod):
    """no_new_privs is set only when asked; the OOM score is the asked one, or ours where it may not be lowered."""
    assert pod.status(container())["NoNewPrivs"] == "0"
    assert pod.status(container(no_new_privs=True))["NoNewPrivs"] == "1"
    for asked in (500, -997):
        config = container()
        config.linux.resources.oom_score_adj = asked
        wanted = asked if pod.facts.may_lower_oom_score else max(asked, pod.facts.oom_score_adj)
        assert pod.run(config, "cat /proc/self/oom_score_adj").strip() == str(wanted)


def test_default_seccomp_profile_filters(pod):
    """RuntimeDefault forbids what needs no capability but is not on its list; without it the same calls succeed."""
    script = (
        "unshare -U true 2>/dev/null && echo user namespace; linux32 true && echo linux32; "
        "echo a | grep -q a && echo pipes; grep Seccomp: /proc/self/status"
    )
    filtered = pod.run(container(seccomp=RUNTIME_DEFAULT), script).splitlines()
    assert filtered == ["linux32", "pipes", "Seccomp:\t2"]
    free = pod.run(container(), script).splitlines()
    assert free == ["user namespace", "linux32", "pipes", "Seccomp:\t0"]


SYSTEM_CALLS = """
import ctypes, errno, socket, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    print(name, "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()])
def family(name, number):
    try:
        socket.socket(number, {16: socket.SOCK_RAW, 38: socket.SOCK_SEQPACKET}.get(number, socket.SOCK_STREAM)).close()
        print(name, "ok")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
call("clone3", 435, 0, 0)
call("io_uring_setup", 425, 0, 0)
call("keyctl", 250, 0, -3, 0)
call("personality", 135, 0x40000)
call("personality?", 135, ctypes.c_ulong(0xFFFFFFFF))
family("unix", 1)
family("inet", 2)
family("netlink", 16)
family("alg", 38)
family("vsock", 40)
thread = threading.Thread(target=lambda: print("thread ok"))
thread.start()
thread.join()
"""


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs Debian's python3")
def test_default_seccomp_profile_call_by_call(pod):
    """Calls off the list fail with EPERM, clone3 with ENOSYS so that the C library falls back; threads still work."""
    system = tuple(
        ResolvedMount(path, os.path.realpath(path), readonly=True)
        for path in ("/usr", "/lib", "/lib64")
        if Path(path).exists()
    )
    config = container(seccomp=RUNTIME_DEFAULT)
    config.envs.add(key="SCRIPT", value=SYSTEM_CALLS.encode())
    out = dict(line.rsplit(" ", 1) for line in pod.run(
        config, '/usr/bin/python3 -c "$SCRIPT"', mounts=system).splitlines())  # fmt: skip
    assert out == {
        "clone3": "ENOSYS", "io_uring_setup": "EPERM", "keyctl": "EPERM", "personality": "EPERM", "personality?": "ok",
        "unix": "ok", "inet": "ok", "netlink": "ok", "alg": "EPERM", "vsock": "EPERM", "thread": "ok",
    }  # fmt: skip


def test_seccomp_opens_with_the_capability(pod):
    """With CAP_SYS_ADMIN the default profile lets a container mount; without, the same mount fails."""
    script = "mount -t tmpfs none /tmp && echo mounted"
    admin = cri.Capability(add_capabilities=["SYS_ADMIN"])
    assert pod.run(container(seccomp=RUNTIME_DEFAULT, capabilities=admin), script) == "mounted\n"
    assert pod.run(container(seccomp=RUNTIME_DEFAULT), script + " 2>/dev/null") == ""


def test_localhost_seccomp_profile(pod):
    """A profile from a file forbids exactly what it names."""
    profile = cri.SecurityProfile(profile_type=cri.SecurityProfile.Localhost, localhost_ref="/profiles/x.json")
    content = {"defaultAction": "SCMP_ACT_ALLOW", "comment": "not OCI",
               "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}  # fmt: skip
    out = pod.run(
        container(seccomp=profile),
        "mkdir /tmp/never 2>/dev/null || echo refused; touch /tmp/file && rm /tmp/file && echo fine",
        seccomp_localhost=json.dumps(content).encode(),
    )
    assert out == "refused\nfine\n"


def test_masked_and_readonly_paths(pod):
    """The paths of the request are masked or read-only, and no others."""
    config = container(masked_paths=["/proc/meminfo", "/proc/tty"], readonly_paths=["/proc/sys"])
    out = pod.run(
        config,
        "wc -c < /proc/meminfo; ls /proc/tty | wc -l; echo 1 > /proc/sys/net/ipv4/ip_forward || echo readonly; "
        "wc -c < /proc/cpuinfo",
    ).splitlines()
    assert out[:3] == ["0", "0", "readonly"]
    assert int(out[3]) > 0


def test_privileged_container_reaches_the_node(pod):
    """Privileged: all capabilities, no filter, host devices, writable /sys and cgroups, nothing masked."""
    config = container(privileged=True, seccomp=RUNTIME_DEFAULT, masked_paths=["/proc/meminfo"])
    out = pod.run(
        config,
        "mount -t tmpfs none /tmp && echo mounted; wc -c < /proc/meminfo; "
        "grep -E ' /sys | /sys/fs/cgroup ' /proc/mounts | cut -d' ' -f2,4 | cut -d, -f1; ls /dev; "
        "grep -E 'CapEff|Seccomp:' /proc/self/status",
        host_devices=read_host_devices(),
    ).splitlines()
    assert out[0] == "mounted"
    assert int(out[1]) > 0
    assert {"/sys rw", "/sys/fs/cgroup rw"} <= set(out)
    assert {"null", "zero", "loop-control", "fuse"} & set(os.listdir("/dev")) <= set(out)
    assert "Seccomp:\t0" in out
    assert f"CapEff:\t{Path('/proc/self/status').read_text().split('CapEff:')[1].split()[0]}" in out


def test_devices_of_the_request(pod):
    """A granted device can be used as far as its permissions go; one that was not granted cannot be made and read."""
    grants = read_device_grants("/dev/zero", "/dev/my/zero", "r")
    out = pod.run(
        container(),
        "head -c 3 /dev/my/zero | wc -c; mknod /tmp/kmsg c 1 11; head -c 1 /tmp/kmsg >/dev/null 2>&1 || echo refused; "
        "rm -f /tmp/kmsg",
        devices=grants,
    )
    assert out.splitlines() == ["3", "refused"]


def test_rlimits_of_the_options(pod):
    """Limits of the options are those of the process."""
    options = replace(pod.options, rlimits=(Rlimit("RLIMIT_NOFILE", 333, 4444),))
    assert pod.run(container(), "ulimit -Sn; ulimit -Hn", options=options).split() == ["333", "4444"]


def test_mounts_order_access_and_overrides(pod, tmp_path):
    """A deep mount is not hidden by a shallow one, read-only holds, and a requested /etc/hosts replaces the pod's."""
    for name in ("shallow/deep", "deep"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "deep/file").write_text("deep\n")
    (tmp_path / "hosts").write_text("own hosts\n")
    config = container()
    config.mounts.add(container_path="/etc/hosts", host_path=str(tmp_path / "hosts"))
    mounts = (
        ResolvedMount("/data/deep", str(tmp_path / "deep"), readonly=True),
        ResolvedMount("/data", str(tmp_path / "shallow")),
        ResolvedMount("/etc/hosts", str(tmp_path / "hosts")),
    )
    out = pod.run(
        config,
        "cat /data/deep/file; touch /data/deep/x || echo readonly; touch /data/y && cat /etc/hosts",
        mounts=mounts,
    )
    assert out == "deep\nreadonly\nown hosts\n"
    assert (tmp_path / "shallow/y").exists()


def test_mount_propagation(pod, tmp_path):
    """A bidirectional mount shows the host what the container mounts; a private one does not."""
    shared = tmp_path / "shared"
    shared.mkdir()
    subprocess.run(["mount", "--bind", str(shared), str(shared)], check=True)
    try:
        subprocess.run(["mount", "--make-shared", str(shared)], check=True)
        for name, propagation, seen in (
            ("both", cri.PROPAGATION_BIDIRECTIONAL, True),
            ("private", cri.PROPAGATION_PRIVATE, False),
        ):
            (shared / name).mkdir()
            below = SourceMount(str(shared), shared=True, slave=False)
            mount = ResolvedMount("/data", str(shared), propagation=propagation, source_mount=below)
            pod.run(
                container(privileged=True),
                f"mount -t tmpfs none /data/{name} && touch /data/{name}/made",
                mounts=(mount,),
            )
            assert (shared / name / "made").exists() is seen
    finally:
        subprocess.run(["umount", "-R", str(shared)], check=True)


def test_readonly_rootfs_and_recursive_read_only(pod, tmp_path):
    """A read-only root refuses writes; a recursive read-only mount also covers what is mounted below it."""
    subprocess.run(["mount", "-t", "tmpfs", "none", str(tmp_path)], check=True)
    try:
        (tmp_path / "below").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "none", str(tmp_path / "below")], check=True)
        out = pod.run(
            container(readonly_rootfs=True),
            "touch /new || echo root; touch /etc/hosts || echo hosts; touch /dev/shm/x && rm /dev/shm/x && echo shm; "
            "touch /data/below/x || echo below",
            mounts=(ResolvedMount("/data", str(tmp_path), readonly=True, recursive_read_only=True),),
            options=replace(pod.options, recursive_read_only_mounts=True),
        )
        assert out == "root\nhosts\nshm\nbelow\n"
    finally:
        subprocess.run(["umount", "-R", str(tmp_path)], check=True)


def test_resources_and_their_update(pod):
    """Limits are in the container's cgroup, an update of the spec changes them with runc update, others stay."""
    config = container()
    config.linux.resources.MergeFrom(
        cri.LinuxContainerResources(
            cpu_period=100_000, cpu_quota=50_000, cpu_shares=512, memory_limit_in_bytes=64 << 20, cpuset_cpus="0"
        )
    )
    config.command[:] = ["sleep", "600"]
    spec = pod.spec(config)
    name = f"{config.metadata.name}-{os.getpid()}"
    subprocess.run(
        ["runc", "--root", str(pod.directory / "runc"), "run", "-d", "-b", pod.bundle(name, spec), name],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=60,
    )  # fmt: skip
    changed = updated_spec(spec, cri.LinuxContainerResources(cpu_quota=70_000, memory_limit_in_bytes=128 << 20),
                           pod.facts, pod.options)  # fmt: skip
    limits = pod.directory / "update.json"
    if pod.facts.cgroup_v2:
        pytest.skip("the values are read from cgroup v1")

    def value(controller: str, file: str) -> str:
        return Path(f"/sys/fs/cgroup/{controller}{CGROUP}/{name}/{file}").read_text().strip()

    assert (value("cpu", "cpu.cfs_quota_us"), value("cpu", "cpu.shares")) == ("50000", "512")
    assert value("memory", "memory.limit_in_bytes") == str(64 << 20)
    if pod.facts.swap:
        assert value("memory", "memory.memsw.limit_in_bytes") == str(64 << 20)
    assert value("cpuset", "cpuset.cpus") == "0"
    limits.write_text(json.dumps(changed["linux"]["resources"]))
    pod.runc("update", "-r", str(limits), name)
    assert (value("cpu", "cpu.cfs_quota_us"), value("cpu", "cpu.shares")) == ("70000", "512")
    assert value("memory", "memory.limit_in_bytes") == str(128 << 20)


def test_exec_runs_as_the_container_does(pod):
    """An exec's process has the container's user, environment and filter, and its own arguments."""
    config = container(run_as_user=cri.Int64Value(value=1000), seccomp=RUNTIME_DEFAULT)
    config.command[:] = ["sleep", "600"]
    spec = pod.spec(config)
    name = f"{config.metadata.name}-{os.getpid()}"
    subprocess.run(
        ["runc", "--root", str(pod.directory / "runc"), "run", "-d", "-b", pod.bundle(name, spec), name],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=60,
    )  # fmt: skip
    process = pod.directory / "process.json"
    script = "id -u; echo $FROM_IMAGE; grep Seccomp: /proc/self/status"
    process.write_text(json.dumps(exec_process(spec["process"], ["sh", "-c", script], tty=False)))
    assert pod.runc("exec", "-p", str(process), name).stdout == "1000\n1\nSeccomp:\t2\n"
