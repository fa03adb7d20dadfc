"""What a runtime handler means: snapshotters, sure starts and base specs."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from cri_shim.config.schema import Config, ContainerdSection, RuncOptions, RuntimeHandler
from cri_shim.errors import FailedPreconditionError
from cri_shim.lifecycle import handlers
from cri_shim.lifecycle.handlers import all_snapshotters, base_spec, is_plain_runc, snapshotter_of

if TYPE_CHECKING:
    from pathlib import Path


def test_snapshotters() -> None:
    """A handler may have its own, and the default one comes first."""
    own = RuntimeHandler(name="kata", snapshotter="devmapper")
    plain = RuntimeHandler(name="runc")
    config = Config(containerd=ContainerdSection(runtimes={"runc": plain, "kata": own}))
    assert snapshotter_of(config, plain) == "overlayfs"
    assert snapshotter_of(config, own) == "devmapper"
    assert all_snapshotters(config) == ["overlayfs", "devmapper"]


@pytest.mark.parametrize(
    ("handler", "surely"),
    [
        (RuntimeHandler(), True),
        (RuntimeHandler(runtime_type="io.containerd.kata.v2"), False),
        (RuntimeHandler(runtime_path="/opt/shim"), False),
        (RuntimeHandler(options=RuncOptions(binary_name="/opt/wrapper")), False),
    ],
    ids=["runc", "another type", "another shim", "another program"],
)
def test_a_start_that_is_sure(handler: RuntimeHandler, *, surely: bool) -> None:
    """Only of plain runc is it known that what was created starts."""
    assert is_plain_runc(handler) is surely


def handler(path: Path | str) -> RuntimeHandler:
    """A handler whose specs start from a file."""
    return RuntimeHandler(name="own", base_runtime_spec=str(path))


async def test_a_base_spec(tmp_path: Path) -> None:
    """What it holds is kept, also keys that this version does not know."""
    (tmp_path / "base.json").write_text('{"ociVersion": "1.1.0", "newer": {"a": 1}}')
    assert await base_spec(handler("")) is None
    spec = await base_spec(handler(tmp_path / "base.json"))
    assert spec is not None
    assert spec["newer"] == {"a": 1}


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file or directory"), ("{", ""), ("[]", ""), ('{"process": 7}', "process")],
    ids=["no file", "no JSON", "no object", "another shape"],
)
async def test_a_base_spec_that_cannot_be_used(tmp_path: Path, content: str | None, words: str) -> None:
    """The refusal names the file and the handler."""
    if content is not None:
        (tmp_path / "base.json").write_text(content)
    with pytest.raises(FailedPreconditionError, match=r"base\.json of runtime handler 'own' cannot be used") as refused:
        await base_spec(handler(tmp_path / "base.json"))
    assert words in str(refused.value)


async def test_a_node_that_has_run_out_of_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may be all right, and nothing else is said of it."""

    def read(_path: str, _limit: int) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(handlers, "read_small_file", read)
    with pytest.raises(OSError, match="Too many open files"):
        await base_spec(handler("/base.json"))
