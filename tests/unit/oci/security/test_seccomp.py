"""Which filter a process gets, and what the default one lets through."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.oci.capabilities import NAMES
from cri_shim.oci.security import seccomp_default as default
from cri_shim.oci.security.seccomp import (
    default_profile,
    localhost_path,
    parse_profile,
    seccomp_section,
    wanted_profile,
)

TYPES = cri.SecurityProfile
DEFAULT, FREE, LOCAL = (
    TYPES(profile_type=TYPES.RuntimeDefault),
    TYPES(profile_type=TYPES.Unconfined),
    TYPES(profile_type=TYPES.Localhost, localhost_ref="localhost/a/b.json"),
)
PODMAN = Path("/usr/share/containers/seccomp.json")


@pytest.mark.parametrize(
    ("fields", "unset", "expected"),
    [
        ({}, "", None),
        ({}, "unconfined", None),
        ({}, "runtime/default", DEFAULT),
        ({"seccomp_profile_path": "docker/default"}, "unconfined", DEFAULT),
        ({"seccomp_profile_path": "unconfined"}, "runtime/default", None),
        ({"seccomp": FREE}, "runtime/default", None),
        ({"seccomp": DEFAULT, "seccomp_profile_path": "unconfined"}, "", DEFAULT),
        ({"seccomp": LOCAL}, "", LOCAL),
        ({"seccomp": DEFAULT, "privileged": True}, "runtime/default", None),
    ],
)
def test_which_profile_is_wanted(fields, unset, expected):
    """The message counts before the string, that before the node's setting; privileged has none."""
    for context in (cri.LinuxContainerSecurityContext, cri.LinuxSandboxSecurityContext):
        assert wanted_profile(context(**fields), unset) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"seccomp_profile_path": "nonsense"},
        {"seccomp": TYPES(profile_type=TYPES.RuntimeDefault, localhost_ref="x")},
        {"seccomp": TYPES(profile_type=TYPES.Localhost)},
        {"seccomp": TYPES.FromString(b"\x08\x07")},
    ],
)
def test_contradictions_are_refused(fields):
    """A profile that contradicts itself is an error, not silently no filter."""
    with pytest.raises(InvalidArgumentError):
        wanted_profile(cri.LinuxContainerSecurityContext(**fields))


def section(profile, **changes):
    values = {
        "available": True,
        "capabilities": (),
        "machine": "x86_64",
        "kernel": (6, 1),
        "localhost": None,
        **changes,
    }
    return seccomp_section(profile, **values)


def test_a_filter_that_cannot_be_given_is_an_error():
    """Without seccomp or without the file the container must not run unfiltered."""
    assert section(None, available=False) is None
    for profile, changes in ((DEFAULT, {"available": False}), (LOCAL, {"localhost": None})):
        with pytest.raises(FailedPreconditionError):
            section(profile, **changes)


def test_localhost_profile():
    """The path loses its prefix, the content keeps what the spec knows."""
    assert localhost_path(LOCAL) == "a/b.json"
    assert localhost_path(DEFAULT) is None
    content = {"defaultAction": "SCMP_ACT_LOG", "archMap": [], "syscalls": [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "comment": "", "args": None}]}  # fmt: skip
    assert section(LOCAL, localhost=json.dumps(content).encode()) == {
        "defaultAction": "SCMP_ACT_LOG",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}],
    }


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"defaultAction": 1}', b'{"defaultAction": "x", "syscalls": [{}]}', b"\xff"]
)
def test_a_file_that_is_no_profile_is_refused(content):
    """The error names the file."""
    with pytest.raises(InvalidArgumentError, match=r"'p\.json'"):
        parse_profile(content, "p.json")


def allowed(capabilities=(), machine="x86_64", kernel=(6, 1)) -> set[str]:
    """The calls that pass whatever their arguments are."""
    rules = default_profile(capabilities, machine, kernel)["syscalls"]
    return {
        name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule for name in rule["names"]
    }


def test_capabilities_open_their_calls():
    """Each capability adds its own calls and nothing else."""
    base = allowed()
    for capability in NAMES:
        assert allowed((capability,)) - base == set(default.BY_CAPABILITY.get(capability, ())) - base
    assert {"mount", "unshare", "setns", "bpf", "reboot", "init_module", "io_uring_setup", "keyctl"}.isdisjoint(base)


def test_machine_and_kernel_decide_too():
    """arch_prctl is x86's; ptrace is safe to allow from 4.8 on."""
    assert "arch_prctl" in allowed()
    assert "arch_prctl" not in allowed(machine="aarch64")
    assert "ptrace" in allowed(kernel=(4, 8))
    assert "ptrace" not in allowed(kernel=(4, 7))
    assert "architectures" not in default_profile((), "unheard-of", (6, 1))


def rule_for(name, **more):
    return [r for r in default_profile((), "x86_64", (6, 1), **more)["syscalls"] if name in r["names"]]


def test_arguments_are_looked_at():
    """clone without namespace flags, known personalities, sockets but of two families; clone3 says ENOSYS."""
    (clone,) = rule_for("clone")
    assert clone["args"] == [{"index": 0, "value": default.NAMESPACE_FLAGS, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]
    assert rule_for("clone3") == [{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]
    assert sorted(r["args"][0]["value"] for r in rule_for("personality")) == [0, 8, 0x20000, 0x20008, 0xFFFFFFFF]
    compare = {"SCMP_CMP_LT": int.__lt__, "SCMP_CMP_EQ": int.__eq__, "SCMP_CMP_GT": int.__gt__}
    passes = {
        family
        for family in range(50)
        for rule in rule_for("socket")
        if compare[rule["args"][0]["op"]](family, rule["args"][0]["value"])
    }
    assert set(range(50)) - passes == {38, 40}


# Podman's list (Debian bookworm's) names more without a capability, because it leaves the check to the kernel; these
# are left to a capability or out here, as containerd and Docker do.
PODMAN_ALSO_ALLOWS = set(
    """
    clone3 fsconfig fsmount fsopen fspick get_mempolicy keyctl mbind mount mount_setattr move_mount open_tree
    pidfd_getfd pivot_root reboot set_mempolicy setns syslog umount umount2 unshare
    """.split()
) | set("readdir sigaction signal sigpending sigsuspend syscall timerfd".split())  # old 32-bit calls or none at all
# Newer than that list, or harmless and on Docker's.
WE_ALSO_ALLOW = set(
    """
    cachestat fchmodat2 file_getattr file_setattr futex_requeue futex_wait futex_waitv futex_wake getxattrat
    io_pgetevents io_pgetevents_time64 listmount listxattrat lsm_get_self_attr lsm_list_modules lsm_set_self_attr
    map_shadow_stack mseal removexattrat setxattrat statmount uretprobe vmsplice
    """.split()
)


@pytest.mark.skipif(not PODMAN.exists(), reason="Debian's golang-github-containers-common is not installed")
def test_differences_to_podmans_list_are_the_known_ones():
    """Compared with an independent list, nothing is missing or open that is not written down above."""
    theirs = {
        name
        for rule in json.loads(PODMAN.read_text())["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not (rule.get("includes") or {}) and not rule.get("args")
        for name in rule["names"]
    }
    ours = allowed() - set(default.BY_MACHINE["x86_64"]) | {"clone", "socket", "personality"}
    assert theirs - ours <= PODMAN_ALSO_ALLOWS, sorted(theirs - ours - PODMAN_ALSO_ALLOWS)
    assert ours - theirs - {"clone", "socket", "personality"} <= WE_ALSO_ALLOW, sorted(ours - theirs - WE_ALSO_ALLOW)
