"""AppArmor and SELinux on a node that has neither: what is refused, and what runs."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.lab import Lab
from tests.integration.daemon.conftest import run_pod

REFUSED = grpc.StatusCode.FAILED_PRECONDITION
PROFILE = cri.SecurityProfile
ASKED = {"selinux_options": cri.SELinuxOption(type="spc_t", level="s0:c1,c2")}

without_selinux = pytest.mark.skipif(Path("/sys/fs/selinux/enforce").exists(), reason="this machine has SELinux")
without_apparmor = pytest.mark.skipif(Path("/sys/kernel/security/apparmor").exists(), reason="this machine has it")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wanting():
    """A node whose configuration labels pods."""
    async with Lab("bridge", settings={"runtime": {"enable_selinux": True}}) as lab:
        yield lab


@without_selinux
async def test_labels_that_are_wanted_and_not_to_be_had_are_refused(wanting):
    """With enable_selinux, a pod or a container that asks for a label is refused; others run without one."""
    code, message = await failure(run_pod(wanting, security=ASKED))
    assert code == REFUSED
    assert "no SELinux" in message
    pod = await run_pod(wanting)
    code, message = await failure(pod.create(security=ASKED))
    assert code == REFUSED
    assert "no SELinux" in message
    assert await pod.output("echo runs") == "runs"
    assert "daemon.no_selinux" in wanting.bridge.log
    await pod.remove()


async def test_labels_are_passed_over_when_they_are_switched_off(lab):
    """By default such pods run, as with the plugin, and the log tells what they did not get."""
    pod = await run_pod(lab, security=ASKED)
    assert await pod.output("echo runs", security=ASKED) == "runs"
    assert "selinux.options_ignored" in lab.bridge.log
    await pod.remove()


@without_apparmor
@pytest.mark.parametrize(
    "security",
    [
        {"apparmor": PROFILE(profile_type=PROFILE.RuntimeDefault)},
        {"apparmor": PROFILE(profile_type=PROFILE.Localhost, localhost_ref="mine")},
        {"apparmor_profile": "runtime/default"},
        {"apparmor_profile": "localhost/mine"},
    ],
)
async def test_a_profile_is_refused(lab, security):
    """Who asks for an AppArmor profile, in either form, is refused and not run without it."""
    pod = await run_pod(lab)
    code, message = await failure(pod.create(security=security))
    assert code == REFUSED
    assert "AppArmor" in message
    await pod.remove()


@pytest.mark.parametrize(
    "security", [{}, {"apparmor": PROFILE(profile_type=PROFILE.Unconfined)}, {"apparmor_profile": "unconfined"}]
)
async def test_who_wants_none_runs(lab, security):
    """Unconfined is what a node without AppArmor has."""
    pod = await run_pod(lab)
    assert await pod.output("echo runs", security=security) == "runs"
    await pod.remove()
