"""Which file describes a device."""

from __future__ import annotations

import json
import os
import time

import pytest

from cri_shim.cdi.registry import CdiRegistry
from cri_shim.errors import FailedPreconditionError


@pytest.fixture
def directories(tmp_path):
    """Two directories, of which the second wins."""
    for name in ("low", "high"):
        (tmp_path / name).mkdir()
    return tmp_path / "low", tmp_path / "high"


def write(path, value, *devices, kind="v/c"):
    """Write a file whose devices set an environment variable to ``value``."""
    content = {
        "cdiVersion": "0.3.0",
        "kind": kind,
        "containerEdits": {"env": [f"ALL={value}"]},
        "devices": [{"name": name, "containerEdits": {"env": [f"ONE={name}-{value}"]}} for name in devices],
    }
    path.write_text(json.dumps(content))


def env(registry, *names):
    """The environment that the devices bring, in order."""
    return [entry for edits in registry.edits_of(names) for entry in edits.env]


def test_edits_of_the_file_come_once_and_first(directories):
    """Two devices of one file bring the file's own edits once; a device of another file brings that one's."""
    low, high = directories
    write(low / "a.json", "a", "x", "y")
    write(high / "b.yaml", "b", "z", kind="v/d")
    registry = CdiRegistry([*map(str, directories)])
    assert env(registry, "v/c=y", "v/d=z", "v/c=x") == ["ALL=a", "ONE=y-a", "ALL=b", "ONE=z-b", "ONE=x-a"]


def test_a_later_directory_wins(directories):
    """Only the device that is described twice comes from the later directory."""
    low, high = directories
    write(low / "a.json", "low", "x", "y")
    write(high / "a.json", "high", "x")
    registry = CdiRegistry([*map(str, directories)])
    assert env(registry, "v/c=x") == ["ALL=high", "ONE=x-high"]
    assert env(registry, "v/c=y") == ["ALL=low", "ONE=y-low"]


def test_two_files_of_one_directory_conflict(directories):
    """A device that two files describe is ambiguous, and the error names both; a later directory takes precedence."""
    low, high = directories
    write(low / "a.json", "a", "x", "y")
    write(low / "b.json", "b", "x")
    registry = CdiRegistry([*map(str, directories)])
    with pytest.raises(FailedPreconditionError, match=r"v/c=x.*a\.json.*b\.json"):
        registry.edits_of(["v/c=x"])
    assert env(registry, "v/c=y") == ["ALL=a", "ONE=y-a"]
    write(high / "c.json", "c", "x")
    assert env(registry, "v/c=x") == ["ALL=c", "ONE=x-c"]


def test_files_are_read_again_when_they_change(directories):
    """A file that comes, changes, is replaced or goes is noticed at the next look."""
    low, _ = directories
    registry = CdiRegistry([*map(str, directories)])
    with pytest.raises(FailedPreconditionError, match="v/c=x"):
        registry.edits_of(["v/c=x"])
    write(low / "a.json", "1", "x")
    assert env(registry, "v/c=x")[0] == "ALL=1"
    write(low / "a.json", "22", "x")
    assert env(registry, "v/c=x")[0] == "ALL=22"
    before = (low / "a.json").stat()
    write(low / "a.tmp", "33", "x")
    (low / "a.tmp").rename(low / "a.json")
    os.utime(low / "a.json", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert env(registry, "v/c=x")[0] == "ALL=33"
    time.sleep(0.03)  # the kernel's clock for files is coarse
    write(low / "a.json", "44", "x")
    os.utime(low / "a.json", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert env(registry, "v/c=x")[0] == "ALL=44", "written in place, with the old time and size"
    (low / "a.json").unlink()
    with pytest.raises(FailedPreconditionError, match="v/c=x"):
        registry.edits_of(["v/c=x"])


def test_a_broken_file_costs_only_its_own_devices(directories):
    """Devices of other files work; the error for a missing device says what is wrong with the broken file."""
    low, high = directories
    write(low / "good.json", "good", "x")
    (low / "broken.json").write_text("{")
    (low / "ignored.txt").write_text("{")
    registry = CdiRegistry([*map(str, directories), str(high / "no-such")])
    assert env(registry, "v/c=x") == ["ALL=good", "ONE=x-good"]
    with pytest.raises(FailedPreconditionError) as error:
        registry.edits_of(["v/c=x", "v/c=lost", "w/c=gone"])
    assert "unresolvable CDI devices v/c=lost, w/c=gone" in str(error.value)
    assert f"{low}/broken.json: " in str(error.value)
    assert "ignored" not in str(error.value)


def test_what_has_not_changed_is_not_read_again(directories, monkeypatch):
    """A look at unchanged directories parses nothing."""
    low, _ = directories
    write(low / "a.json", "1", "x")
    registry = CdiRegistry([*map(str, directories)])
    env(registry, "v/c=x")
    monkeypatch.setattr("cri_shim.cdi.registry.parse_document", lambda _: pytest.fail("read again"))
    assert env(registry, "v/c=x")
