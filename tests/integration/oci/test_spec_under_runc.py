"""The specs that are built run under real runc and give what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.image_config import ImageConfig
from cri_shim.oci.mounts import ResolvedMount, SourceMount
from cri_shim.oci.node_facts import read_device_grants, read_host_devices
from cri_shim.oci.options import Rlimit
from cri_shim.oci.process import exec_process
from cri_shim.oci.resources import updated_spec
from cri_shim.oci.sandbox_spec import SandboxSpecInput, build_sandbox_spec
from tests.integration.oci.runc_pod import CGROUP, RUNTIME_DEFAULT, container

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("runc") is None, reason="needs runc"),
    pytest.mark.skipif(not Path("/bin/busybox").exists(), reason="needs busybox-static"),
]


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
