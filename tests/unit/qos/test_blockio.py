"""Classes of block I/O: the file, and what a class becomes in a runtime spec."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cri_shim.errors import FailedPreconditionError
from cri_shim.qos.blockio import BlockioClasses, find_disks, has_weights, parse_classes

FILE = b"""
Classes:
  throttled:
    - Weight: 80
    - Devices: [/dev/sd*, /dev/vda]
      ThrottleReadBps: 50M
      ThrottleWriteBps: 10Mi
      ThrottleReadIOPS: 10k
      ThrottleWriteIOPS: 5000
      Weight: 50
    - Devices: [/dev/sdb]
      ThrottleReadBps: 100M
  light:
    - Weight: 400
  limits:
    - Devices: [/dev/vda]
      ThrottleReadBps: 1M
  nothing: []
"""
DISKS = {"/dev/sd*": [(8, 0), (8, 16)], "/dev/sdb": [(8, 16)], "/dev/vda": [(254, 0)]}


def section(name, *, weights=True):
    """The runtime spec of a class on a node with three disks."""
    return BlockioClasses(parse_classes(FILE)).section(name, lambda pattern: DISKS.get(pattern, []), weights=weights)


def test_a_class_becomes_a_section():
    """A weight for all, weights and limits for disks; of two entries for one disk the later one wins."""
    made = section("throttled")
    assert made["weight"] == 80
    assert [(e["major"], e["minor"], e["weight"]) for e in made["weightDevice"]] == [
        (8, 0, 50), (8, 16, 50), (254, 0, 50),
    ]  # fmt: skip
    rates = {(e["major"], e["minor"]): e["rate"] for e in made["throttleReadBpsDevice"]}
    assert rates == {(8, 0): 50_000_000, (8, 16): 100_000_000, (254, 0): 50_000_000}
    assert {e["rate"] for e in made["throttleWriteBpsDevice"]} == {10 << 20}
    assert {e["rate"] for e in made["throttleReadIOPSDevice"]} == {10_000}
    assert {e["rate"] for e in made["throttleWriteIOPSDevice"]} == {5000}
    assert section("light") == {"weight": 400}
    assert section("nothing") == {}


def test_a_class_that_is_not_there():
    """The error names it and those that are."""
    with pytest.raises(FailedPreconditionError, match=r"'heavy'.*light, limits, nothing, throttled"):
        section("heavy")


def test_weights_on_a_node_without():
    """A class with a weight is refused where cgroups have none; one of limits only works."""
    with pytest.raises(FailedPreconditionError, match="'light' sets a weight"):
        section("light", weights=False)
    assert list(section("limits", weights=False)) == ["throttleReadBpsDevice"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "not YAML"),
        (b"", "Classes"),
        (b"Klasses: {}", "Classes"),
        (b"Classes: []", "Classes"),
        (b"Classes: {a: {Weight: 5}}", "'a' is not a list"),
        (b"Classes: {a: [5]}", "'a': an entry is not a table"),
        (b"Classes: {a: [{Wait: 5}]}", "unknown key Wait"),
        (b"Classes: {a: [{Weight: 9}]}", "Weight is 9, not between 10 and 1000"),
        (b"Classes: {a: [{Weight: much}]}", "Weight: 'much' is not a quantity"),
        (b"Classes: {a: [{ThrottleReadBps: 5M}]}", "must list its Devices"),
        (b"Classes: {a: [{Devices: /dev/vda}]}", "Devices is not a list"),
        (b"Classes: {a: [{Devices: [/dev/vda], ThrottleReadIOPS: -1}]}", "ThrottleReadIOPS is -1"),
    ],
)
def test_mistakes_in_the_file(text, says):
    """The sentence names the class and the key."""
    with pytest.raises(ValueError, match=says):
        parse_classes(text)


def test_a_file_that_cannot_be_used(tmp_path):
    """No file, a missing one and a broken one give no classes and a reason."""
    assert BlockioClasses.load("").reason == "blockio_config_file is not set"
    assert "no-such" in BlockioClasses.load(str(tmp_path / "no-such")).reason
    (tmp_path / "broken").write_text("{")
    assert "not YAML" in BlockioClasses.load(str(tmp_path / "broken")).reason
    (tmp_path / "good").write_bytes(FILE)
    assert BlockioClasses.load(str(tmp_path / "good")).reason == ""


def test_disks_are_found_through_links(tmp_path):
    """Links are followed, each disk counts once, and what is no disk is passed over."""
    disks = [path for path in sorted(Path("/dev").iterdir()) if path.is_block_device()]
    if not disks:
        pytest.skip("this machine shows no block device")
    for name in ("by-id-1", "by-id-2"):
        (tmp_path / name).symlink_to(disks[0])
    (tmp_path / "by-id-file").touch()
    (tmp_path / "by-id-null").symlink_to("/dev/null")
    (tmp_path / "by-id-gone").symlink_to("nowhere")
    number = disks[0].stat().st_rdev
    assert find_disks(f"{tmp_path}/by-id-*") == [(os.major(number), os.minor(number))]
    assert find_disks("/dev/no-such-*") == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["blkio/pods/blkio.bfq.weight"], True),
        (["blkio/pods/blkio.weight"], True),
        (["blkio/pods/blkio.throttle.read_bps_device"], False),
        (["blkio/tasks"], True),
        (["cgroup.controllers", "pods/io.weight"], True),
        (["cgroup.controllers", "pods/io.max"], False),
        ([], False),
    ],
)
def test_whether_there_are_weights(tmp_path, files, expected):
    """Asked of any cgroup below the root, in both versions; without one to ask it is believed."""
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert has_weights(tmp_path) is expected
