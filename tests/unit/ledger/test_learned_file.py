"""What spans have taught outlives the daemon, and nothing that lies in the file's place harms it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from cri_shim.ledger import learned_file
from cri_shim.ledger.learned_file import LearnedFile
from cri_shim.ledger.transport.method_transport import KINDS, REMEMBERED, MethodTransport, Observation

if TYPE_CHECKING:
    from pathlib import Path

GET = "containerd.services.containers.v1.Containers/Get"


def taught(hops: int = 5) -> MethodTransport:
    methods = MethodTransport()
    for number in range(hops):
        methods.note(("ExecSync", GET, 1), Observation(1.0 + number / 10, 0.0001, 0.00002))
    return methods


async def written(path: Path, version: str = "v2.1.9") -> None:
    await LearnedFile(path, taught(), lambda: version).write()


async def read(path: Path, version: str = "v2.1.9") -> tuple[MethodTransport, LearnedFile]:
    methods = MethodTransport()
    file = LearnedFile(path, methods, lambda: version)
    await file.read()
    return methods, file


async def test_what_was_learned_is_there_after_a_restart(tmp_path: Path) -> None:
    """As it was, and for the estimate as well."""
    path = tmp_path / "transport.json"
    await written(path)
    methods, _ = await read(path)
    assert list(methods.all()) == list(taught().all())
    assert methods.estimate(("ExecSync", GET, 1), 0.01, 0.0005) == taught().estimate(("ExecSync", GET, 1), 0.01, 0.0005)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


async def test_it_is_written_when_there_is_something_new(tmp_path: Path) -> None:
    """And not without."""
    path = tmp_path / "transport.json"
    methods = MethodTransport()
    file = LearnedFile(path, methods, lambda: "v2.1.9")
    await file.write()
    assert not path.exists()
    methods.note(("ExecSync", GET, 1), Observation(1.0, 0.0001, 0.0))
    await file.write()
    path.unlink()
    await file.write()
    assert not path.exists()


async def test_a_daemon_that_ends_in_the_middle_of_writing_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one draft, and two that write it at once would spoil it."""
    drafts: list[object] = []

    def write_slowly(_path: Path, _containerd: str, learned: object) -> None:
        time.sleep(0.05)
        drafts.append(learned)

    monkeypatch.setattr(learned_file, "_write", write_slowly)
    file = LearnedFile(tmp_path / "transport.json", taught(), lambda: "v2.1.9")
    await asyncio.gather(file.write(), file.write())
    assert len(drafts) == 1


async def test_what_another_containerd_said_is_forgotten(tmp_path: Path) -> None:
    """Its times are not those of the one that is there now; while that is not known, nothing is."""
    path = tmp_path / "transport.json"
    await written(path, "v2.1.9")
    methods, file = await read(path, "")
    await file.write()
    assert len(methods) == 1
    methods, file = await read(path, "v2.2.0")
    await file.write()
    assert len(methods) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"version": "v9", "methods": []}',
        b'{"version": "v1", "methods": [{"rpc": "a", "hop": "b"}]}',
        b'{"version": "v1", "methods": [{"rpc": "a", "hop": "b", "seen": [[1, 2]]}]}',
        b'{"version": "v1", "methods": [{"rpc": "a", "hop": "b", "seen": [[1, 2, -3]]}]}',
        b'{"version": "v1", "methods": [{"rpc": "a", "hop": "b", "seen": [[1, 2, 1e300]]}]}',
        b'{"version": "v1", "methods": [{"rpc": "a", "hop": "b", "seen": [["1", true, null]]}]}',
        b'{"version": "v1", "methods": [{"rpc": "a", "hop": "b", "level": 3, "seen": []}]}',
        b'{"version": "v1", "methods": [{"rpc": 7, "hop": "b", "seen": []}]}',
        b"x" * (learned_file.LARGEST + 1),
    ],
)
async def test_a_file_that_is_none_is_passed_over(tmp_path: Path, content: bytes) -> None:
    """With a warning that names it; the daemon begins with nothing and writes a good one later."""
    path = tmp_path / "transport.json"
    path.write_bytes(content)
    with capture_logs() as logs:
        methods, _ = await read(path)
    assert len(methods) == 0
    assert [(line["event"], line["path"]) for line in logs] == [("ledger.learned_not_read", str(path))]


async def test_names_and_numbers_are_bounded(tmp_path: Path) -> None:
    """A file that others have written fills no memory."""
    path = tmp_path / "transport.json"
    kinds = [
        {"rpc": "r" * 500, "hop": f"{number} \ud800" + "h" * 500, "seen": [[1, 0.1, 0.1]] * 30}
        for number in range(KINDS + 50)
    ]
    path.write_text(json.dumps({"version": "v1", "containerd": "c" * 500, "methods": kinds}))
    methods, _ = await read(path)
    everything = list(methods.all())
    assert len(everything) == KINDS
    for (rpc, hop, _), seen in everything:
        assert len(rpc) <= learned_file.LONGEST_NAME
        assert len(hop.encode()) <= 4 * learned_file.LONGEST_NAME
        assert len(seen) == REMEMBERED


async def test_a_directory_in_its_place_is_said_once(tmp_path: Path) -> None:
    """Writing fails with a warning, and goes on when there is something new."""
    path = tmp_path / "transport.json"
    path.mkdir()
    file = LearnedFile(path, taught(), lambda: "v2.1.9")
    with capture_logs() as logs:
        await file.write()
        await file.write()
    assert [line["event"] for line in logs] == ["ledger.learned_not_written"]
