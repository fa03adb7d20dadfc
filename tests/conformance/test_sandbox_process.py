"""Restrictions of the process that holds a pod, and fields of a pod that are only reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure

PROFILE = cri.SecurityProfile


async def info(client, pod):
    """The verbose status."""
    return json.loads((await client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)).info["info"])


async def process(client, pod):
    """The lines of /proc/PID/status of the pod's process."""
    text = Path(f"/proc/{(await info(client, pod))['pid']}/status").read_text()
    return {key: value.split() for key, _, value in (line.partition(":") for line in text.splitlines())}


@pytest.mark.proves(
    "LinuxSandboxSecurityContext.run_as_user",
    "LinuxSandboxSecurityContext.run_as_group",
    "Int64Value.value",
)
@pytest.mark.pause_process
async def test_user_and_group(client, node):
    """The pod's process runs as the user and with the group that were asked for."""
    security = {"run_as_user": {"value": 1234}, "run_as_group": {"value": 2345}}
    status = await process(client, await node.run(security=security))
    assert set(status["Uid"]) == {"1234"}
    assert set(status["Gid"]) == {"2345"}


@pytest.mark.proves("LinuxSandboxSecurityContext.supplemental_groups")
@pytest.mark.plugin_differs("the plugin forgets them over the user")
@pytest.mark.pause_process
async def test_supplemental_groups(client, node):
    """The pod's process has the groups that were asked for as well."""
    security = {"run_as_user": {"value": 1234}, "supplemental_groups": [3456]}
    assert "3456" in (await process(client, await node.run(security=security)))["Groups"]


@pytest.mark.proves("LinuxSandboxSecurityContext.supplemental_groups_policy")
@pytest.mark.plugin_differs("1.6 does not know the field", before="1.7")
@pytest.mark.pause_process
async def test_strict_groups(client, node):
    """With the policy Strict the pod's process has exactly the requested groups, and the status reports the policy."""
    security = {
        "run_as_user": {"value": 1234},
        "run_as_group": {"value": 2345},
        "supplemental_groups": [3456],
        "supplemental_groups_policy": cri.Strict,
    }
    pod = await node.run(security=security)
    assert set((await process(client, pod))["Groups"]) <= {"2345", "3456"}
    security_context = (await info(client, pod))["config"]["linux"]["security_context"]
    assert security_context["supplemental_groups_policy"] == cri.Strict


@pytest.mark.proves("LinuxSandboxSecurityContext.readonly_rootfs")
@pytest.mark.pause_process
async def test_the_root_is_read_only(client, node):
    """The root of the pod's process is mounted read-only, as it was asked for."""
    pod = await node.run(security={"readonly_rootfs": True})
    lines = Path(f"/proc/{(await info(client, pod))['pid']}/mountinfo").read_text().splitlines()
    (options,) = [line.split()[5] for line in lines if line.split()[4] == "/"]
    assert "ro" in options.split(",")


@pytest.mark.proves("LinuxSandboxSecurityContext.seccomp", "SecurityProfile.profile_type")
@pytest.mark.parametrize(("profile", "mode"), [(PROFILE.RuntimeDefault, "2"), (PROFILE.Unconfined, "0")])
@pytest.mark.pause_process
async def test_seccomp(client, node, profile, mode):
    """The pod's process has the system call filter that was asked for."""
    pod = await node.run(security={"seccomp": PROFILE(profile_type=profile)})
    assert (await process(client, pod))["Seccomp"] == [mode]


@pytest.mark.proves("LinuxSandboxSecurityContext.seccomp_profile_path")
@pytest.mark.parametrize(("path", "mode"), [("runtime/default", "2"), ("unconfined", "0")])
@pytest.mark.pause_process
async def test_seccomp_in_the_old_form(client, node, path, mode):
    """Kubelets up to 1.18 name the filter by a string."""
    pod = await node.run(security={"seccomp_profile_path": path})
    assert (await process(client, pod))["Seccomp"] == [mode]


@pytest.mark.proves("LinuxPodSandboxConfig.resources")
async def test_resources_of_the_pod_reach_the_runtime(client, node):
    """Annotations report the containers' total resources to the runtime; virtual machines get their size from them."""
    config = {"cpu_period": 100_000, "cpu_quota": 50_000, "cpu_shares": 512, "memory_limit_in_bytes": 64 << 20}
    pod = await node.run(linux_more={"resources": config})
    annotations = (await info(client, pod))["runtimeSpec"]["annotations"]
    assert annotations["io.kubernetes.cri.sandbox-cpu-period"] == "100000"
    assert annotations["io.kubernetes.cri.sandbox-cpu-quota"] == "50000"
    assert annotations["io.kubernetes.cri.sandbox-cpu-shares"] == "512"
    assert annotations["io.kubernetes.cri.sandbox-memory"] == str(64 << 20)


@pytest.mark.proves("LinuxPodSandboxConfig.overhead")
async def test_overhead_of_the_pod_is_reported(client, node):
    """The pod's own resources are stored and reported; the kubelet makes the cgroup that they count in."""
    pod = await node.run(linux_more={"overhead": {"memory_limit_in_bytes": 16 << 20}})
    overhead = (await info(client, pod))["config"]["linux"]["overhead"]
    assert overhead["memory_limit_in_bytes"] == 16 << 20


@pytest.mark.proves("PodSandboxConfig.windows", "ContainerConfig.windows")
async def test_what_is_for_windows_has_no_effect(node):
    """A configuration with a part for Windows runs as one without."""
    pod = await node.run(windows={"security_context": {"run_as_username": "nobody-here", "host_process": True}})
    windows = {"security_context": {"run_as_username": "nobody-here"}, "resources": {"cpu_count": 1}}
    assert await pod.output("id -u", windows=windows) == "0"


@pytest.mark.proves("LinuxPodSandboxConfig.security_context", "PodSandboxConfig.linux")
async def test_a_filter_that_is_missing_fails_the_pod(node):
    """A pod whose own filter cannot be read does not run, and the error names the file."""
    profile = PROFILE(profile_type=PROFILE.Localhost, localhost_ref="/no/such/profile.json")
    _, message = await failure(node.run(security={"seccomp": profile}))
    assert "/no/such/profile.json" in message
