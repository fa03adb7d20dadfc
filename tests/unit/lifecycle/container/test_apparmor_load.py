"""Loading the default AppArmor profile, with a parser that is a script of the test's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.keyed_locks import KeyedLocks
from cri_shim.errors import FailedPreconditionError
from cri_shim.lifecycle.container import apparmor_load
from cri_shim.lifecycle.container.apparmor_load import apparmor_profiles
from cri_shim.oci.security.apparmor import DEFAULT_PROFILE

NOTHING_ASKED = cri.LinuxContainerSecurityContext()
UNCONFINED = cri.LinuxContainerSecurityContext(apparmor_profile="unconfined")


async def profiles(security, *, apparmor=True, disabled=False):
    """Return the profiles for ``security`` on such a node."""
    config: Any = SimpleNamespace(runtime=SimpleNamespace(disable_apparmor=disabled))
    facts: Any = SimpleNamespace(apparmor=apparmor)
    return await apparmor_profiles(config, facts, KeyedLocks(), security)


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node whose kernel has the profile ``other``, and whose parser does what a script says."""

    def become(script, loaded=("other",)):
        parser = tmp_path / "apparmor_parser"
        if script:
            parser.write_text(f"#!/bin/sh\n{script}\n")
            parser.chmod(0o755)
        monkeypatch.setattr(apparmor_load, "read_apparmor_profiles", lambda: frozenset(loaded))
        monkeypatch.setattr(apparmor_load, "_SYSTEM_PATH", str(tmp_path))
        monkeypatch.setenv("PATH", "/nonexistent")
        return tmp_path

    return become


async def test_the_default_is_loaded_when_it_is_wanted(node):
    """The parser is told to replace the profile, and gets it on its standard input."""
    directory = node('echo "$@" > "${0%/*}/arguments"; while read -r line; do echo "$line"; done > "${0%/*}/profile"')
    assert await profiles(NOTHING_ASKED) == {"other", DEFAULT_PROFILE}
    assert (directory / "arguments").read_text() == "-K -r\n"
    assert f"profile {DEFAULT_PROFILE} flags" in (directory / "profile").read_text()


async def test_it_is_not_loaded_when_it_is_there_or_not_wanted(node):
    """A loaded profile is not replaced, and an unconfined container needs none."""
    node("exit 1")
    assert await profiles(UNCONFINED) == {"other"}
    node("exit 1", loaded=(DEFAULT_PROFILE,))
    assert await profiles(NOTHING_ASKED) == {DEFAULT_PROFILE}


async def test_a_parser_that_refuses_fails_the_container(node):
    """Better no container than one that runs unconfined; the parser's words are in the error."""
    node("echo syntax error in line 7 >&2; exit 1")
    with pytest.raises(FailedPreconditionError, match="syntax error in line 7"):
        await profiles(NOTHING_ASKED)


async def test_without_a_parser_or_apparmor(node):
    """No parser leaves things as they are; a node without AppArmor, or one told to ignore it, has no profiles."""
    node("")
    assert await profiles(NOTHING_ASKED) == {"other"}
    assert await profiles(NOTHING_ASKED, apparmor=False) == frozenset()
    assert await profiles(NOTHING_ASKED, disabled=True) == frozenset()


async def test_a_parser_that_cannot_be_run(node):
    """The client is told so, and not that something unforeseen has happened."""
    parser = node("", loaded=()) / "apparmor_parser"
    parser.write_text("#!/none/sh\n")
    parser.chmod(0o755)
    with pytest.raises(FailedPreconditionError, match="cannot be loaded: "):
        await profiles(NOTHING_ASKED)


@pytest.mark.parametrize("asked", [True, False])
async def test_the_profiles_of_a_pod(node, asked):
    """Its own process is confined only if the request says so."""
    node("exit 1", loaded=(DEFAULT_PROFILE,))
    config: Any = SimpleNamespace(runtime=SimpleNamespace(disable_apparmor=False))
    facts: Any = SimpleNamespace(apparmor=True)
    security = cri.LinuxSandboxSecurityContext(apparmor=cri.SecurityProfile() if asked else None)
    names = await apparmor_load.sandbox_apparmor_profiles(config, facts, KeyedLocks(), security)
    assert names == (frozenset({DEFAULT_PROFILE}) if asked else frozenset())
