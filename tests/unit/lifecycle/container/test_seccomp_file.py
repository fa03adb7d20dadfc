"""Seccomp profiles in files of the node."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError
from cri_shim.lifecycle.container import seccomp_file
from cri_shim.lifecycle.container.seccomp_file import read_seccomp_profile

if TYPE_CHECKING:
    from pathlib import Path

LOCALHOST = cri.SecurityProfile.Localhost


def asked(path: Path | str) -> cri.LinuxContainerSecurityContext:
    """A container with a profile of its own."""
    return cri.LinuxContainerSecurityContext(
        seccomp=cri.SecurityProfile(profile_type=LOCALHOST, localhost_ref=str(path))
    )


async def test_a_file(tmp_path: Path) -> None:
    """Its content is what counts."""
    (tmp_path / "p.json").write_bytes(b"{}")
    assert await read_seccomp_profile(asked(tmp_path / "p.json"), "") == b"{}"


@pytest.mark.parametrize("kind", [cri.SecurityProfile.RuntimeDefault, cri.SecurityProfile.Unconfined])
async def test_a_profile_without_a_file(kind: cri.SecurityProfile.ProfileType.ValueType) -> None:
    """Nothing is read."""
    security = cri.LinuxContainerSecurityContext(seccomp=cri.SecurityProfile(profile_type=kind))
    assert await read_seccomp_profile(security, "") is None


async def test_the_profile_of_containers_that_ask_for_none(tmp_path: Path) -> None:
    """The configuration may name a file, too."""
    (tmp_path / "p.json").write_bytes(b"1")
    security = cri.LinuxContainerSecurityContext()
    assert await read_seccomp_profile(security, f"localhost/{tmp_path}/p.json") == b"1"


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The refusal names it."""
    with pytest.raises(FailedPreconditionError, match=r"none\.json' cannot be read: No such file"):
        await read_seccomp_profile(asked(tmp_path / "none.json"), "")


async def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read into memory."""
    monkeypatch.setattr(seccomp_file, "FILE_LIMIT", 3)
    (tmp_path / "p.json").write_bytes(b"1234")
    with pytest.raises(FailedPreconditionError, match="cannot be read"):
        await read_seccomp_profile(asked(tmp_path / "p.json"), "")


async def test_a_node_that_has_run_out_of_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may be all right, and nothing else is said of it."""

    def read(_path: str, _limit: int) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(seccomp_file, "read_small_file", read)
    with pytest.raises(OSError, match="Too many open files"):
        await read_seccomp_profile(asked(tmp_path / "p.json"), "")
