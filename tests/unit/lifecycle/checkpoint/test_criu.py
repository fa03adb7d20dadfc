"""Whether this node's criu can write a checkpoint, and what the client is told when it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cri_shim.errors import FailedPreconditionError
from cri_shim.lifecycle.checkpoint import criu

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on the PATH beside the system's."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    return tmp_path


def install(directory: Path, script: str, interpreter: str = "/bin/sh") -> None:
    """Put a criu there that is a shell script."""
    (directory / "criu").write_text(f"#!{interpreter}\n{script}\n")
    (directory / "criu").chmod(0o755)


@pytest.mark.parametrize("version", ["3.16", "3.16.1", "3.17.1", "4.0"])
async def test_new_enough(on_path: Path, version: str) -> None:
    """The request goes on."""
    install(on_path, f"echo 'Version: {version}'; echo GitID: v{version}")
    await criu.require_criu()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Version: 3.15'", "is criu 3.15; checkpoints need 3.16 or newer"),
        ("echo 'Version: 2.99.1'", "is criu 2.99.1"),
        ("echo what", r"does not report its version \(exit code 0\): what"),
        ("echo broken >&2; exit 3", r"does not report its version \(exit code 3\): broken"),
        ("sleep 5", "cannot be asked for its version"),
    ],
)
async def test_refusals(on_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str) -> None:
    """Each says which program was asked and what is wrong with it."""
    monkeypatch.setattr(criu, "_SECONDS", 0.3)
    install(on_path, script)
    with pytest.raises(FailedPreconditionError, match=words) as refused:
        await criu.require_criu()
    assert str(on_path / "criu") in str(refused.value)


async def test_a_program_that_cannot_be_run(on_path: Path) -> None:
    """The client is told so, and not that something unforeseen has happened."""
    install(on_path, "", interpreter="/none/sh")
    with pytest.raises(FailedPreconditionError, match="cannot be asked for its version"):
        await criu.require_criu()


async def test_no_criu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The client is told what to install, and for whom."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FailedPreconditionError, match="install it for cri-shim and containerd"):
        await criu.require_criu()
