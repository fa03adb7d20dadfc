"""Configuration files."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.network.conflist import ConfError, directory_signature, load_directory, parse_conf, parse_conflist

if TYPE_CHECKING:
    from pathlib import Path


def conflist(**changes: Any) -> bytes:
    return json.dumps({"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "bridge"}], **changes}).encode()


def test_list_of_plugins() -> None:
    """Name, version and plugins come out in order; only capabilities that are on count."""
    network = parse_conflist(
        conflist(
            plugins=[{"type": "bridge"}, {"type": "portmap", "capabilities": {"portMappings": True, "dns": False}}]
        )
    )
    assert (network.name, network.cni_version) == ("n", "1.0.0")
    assert [plugin.type for plugin in network.plugins] == ["bridge", "portmap"]
    assert network.plugins[1].capabilities == {"portMappings"}


def test_single_plugin_becomes_a_list() -> None:
    """The old form is turned into a list that parses to the same again."""
    network = parse_conf(b'{"cniVersion":"0.3.1","name":"n","type":"bridge","bridge":"b"}')
    assert parse_conflist(network.source) == network
    assert network.plugins[0].conf["bridge"] == "b"


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({"cniVersions": ["0.4.0", "1.1.0", "2.0.0"]}, "1.1.0"),
        ({"cniVersions": ["0.4.0"]}, "1.0.0"),
        ({"cniVersion": "0.4.0"}, "0.4.0"),
        ({"cniVersion": None}, ""),
    ],
)
def test_version_that_is_spoken(changes: dict[str, Any], version: str) -> None:
    """The highest version that both sides know is chosen."""
    assert parse_conflist(conflist(**changes)).cni_version == version


def test_versions_compare_as_numbers() -> None:
    """0.10.0 is later than 0.4.0, and no version is 0.1.0."""
    assert parse_conflist(conflist(cniVersion="0.10.0")).at_least(0, 4, 0)
    assert not parse_conflist(conflist(cniVersion="")).at_least(0, 4, 0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "is a list, not an object"),
        (conflist(plugins=[]), "no plugin"),
        (conflist(plugins={}), "no plugin"),
        (conflist(plugins=["bridge"]), "must be an object"),
        (conflist(plugins=[{}]), "type '' is missing"),
        (conflist(plugins=[{"type": "../evil"}]), "not a program's name"),
        (conflist(plugins=[{"type": "b", "capabilities": ["x"]}]), "capabilities is a list, not an object"),
        (conflist(name="a/b"), "network name"),
        (conflist(name=None), "network name"),
        (conflist(cniVersion="new"), "is not a version"),
        (conflist(cniVersion=1), "must be a string"),
        (conflist(cniVersions="1.0.0"), "must be a string"),
        (conflist(cniVersion="9.0.0"), "newer than 1.1.0"),
    ],
)
def test_broken_configurations_say_why(data: bytes, words: str) -> None:
    """Each fault is refused with a sentence about it."""
    with pytest.raises(ConfError, match=words):
        parse_conflist(data)


def test_directory_in_lexical_order(tmp_path: Path) -> None:
    """Known endings count, in order, up to the limit; broken files are named and do not count."""
    (tmp_path / "30-c.json").write_bytes(b'{"name":"c","type":"x"}')
    (tmp_path / "20-b.conflist").write_bytes(conflist(name="b"))
    (tmp_path / "10-list.conf").write_bytes(conflist(name="wrong-ending"))
    (tmp_path / "05-a.yaml").write_bytes(b"")
    (tmp_path / "00-dir.conf").mkdir()
    assert [network.name for network in load_directory(str(tmp_path), 0).networks] == ["b", "c"]
    loaded = load_directory(str(tmp_path), 1)
    assert [network.name for network in loaded.networks] == ["b"]
    assert len(loaded.problems) == 1
    assert "10-list.conf: it holds a list of plugins" in loaded.problems[0]


def test_missing_directory_is_a_problem_not_an_error(tmp_path: Path) -> None:
    """A directory that is not there yet is said in words."""
    assert load_directory(str(tmp_path / "none"), 1).problems == (
        f"cannot read {tmp_path}/none: no such file or directory",
    )


def test_files_of_other_kinds_hide_nothing(tmp_path: Path) -> None:
    """A FIFO, a socket's worth of links, a huge file, and a name that is not UTF-8 are named; the good file is used."""
    os.mkfifo(tmp_path / "10-fifo.conflist")
    (tmp_path / "11-dangling.conf").symlink_to("nowhere")
    (tmp_path / "12-loop.json").symlink_to("12-loop.json")
    (tmp_path / "13-endless.conflist").symlink_to("/dev/zero")
    (tmp_path / "14-directory.conflist").mkdir()
    with (tmp_path / "15-huge.conflist").open("wb") as file:
        file.truncate(1 << 32)
    (tmp_path / os.fsdecode(b"16-\xff.conf")).write_bytes(b"{")
    (tmp_path / "20-good.conflist").write_bytes(conflist(name="good"))
    loaded = load_directory(str(tmp_path), 1)
    assert [network.name for network in loaded.networks] == ["good"]
    said = "; ".join(loaded.problems)
    said.encode()
    for words in ("a fifo", "no such file", "13-endless.conflist: not a regular file", "1 more file"):
        assert words in said


def test_a_dangling_link_does_not_hide_changes(tmp_path: Path) -> None:
    """What changes in other files is seen, and also when the link's target comes."""
    (tmp_path / "10-dangling.conf").symlink_to(tmp_path / "target")
    signatures = [directory_signature(str(tmp_path))]
    (tmp_path / "20-good.conflist").write_bytes(conflist())
    signatures.append(directory_signature(str(tmp_path)))
    (tmp_path / "target").write_bytes(b"{}")
    signatures.append(directory_signature(str(tmp_path)))
    assert len(set(signatures)) == 3


def test_a_file_that_is_written_in_place_with_its_old_time_is_seen(tmp_path: Path) -> None:
    """As tools do that make builds reproducible: the same inode, size and modification time."""
    file = tmp_path / "10-net.conflist"
    file.write_bytes(b"1")
    before, signature = file.stat(), directory_signature(str(tmp_path))
    time.sleep(0.03)  # the kernel's clock for files is coarse
    file.write_bytes(b"2")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert directory_signature(str(tmp_path)) != signature
