"""Seccomp profiles that are built filter under real runc what they say."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.mounts import ResolvedMount
from tests.integration.oci.runc_pod import RUNTIME_DEFAULT, container

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("runc") is None, reason="needs runc"),
    pytest.mark.skipif(not Path("/bin/busybox").exists(), reason="needs busybox-static"),
]


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
