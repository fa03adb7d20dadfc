"""What tells ours from others': records, reservations, locks and directories."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.config import Config
from cri_shim.config.schema import HttpSection
from cri_shim.kernel.mountinfo import parse_mountinfo
from cri_shim.paths import Paths
from cri_shim.state.containers import Container, Status
from cri_shim.state.stored.metadata import CONTAINER_EXTENSION, PINNED_EXTENSION, container_extension
from cri_shim.wipe import on_node, reservations
from cri_shim.wipe.marks import OwnIds, ids_in_containerd, ids_on_disk
from cri_shim.wipe.own_paths import remove_own_paths
from cri_shim.wipe.running_daemon import holder_of


def member(id_: str, pod: str) -> Record:
    """The record of a container in a pod."""
    config = cri.ContainerConfig(metadata=cri.ContainerMetadata(name="a"))
    container = Container(id=id_, name=id_, sandbox_id=pod, config=config, status=Status(), image_id="sha256:a")
    return Record(id=id_, extensions={CONTAINER_EXTENSION: container_extension(container)})


def test_records_without_a_mark_are_not_ours():
    """A mark is a snapshot or a directory of ours, the extension of pods without a process, or a pod of ours."""
    pods = [
        Record(id="marked"),
        Record(id="pinned", extensions={PINNED_EXTENSION: AnyMessage()}),
        Record(id="plugin's"),
    ]
    containers = [
        *(member("in marked", "marked"), member("in pinned", "pinned"), member("in theirs", "theirs")),
        *(member("adopted", "theirs"), Record(id="unreadable"), Record(id="unreadable, marked")),
    ]
    assert ids_in_containerd(pods, containers, {"marked", "adopted", "unreadable, marked"}) == OwnIds(
        frozenset({"marked", "pinned"}), frozenset({"in marked", "in pinned", "adopted", "unreadable, marked"})
    )


def test_every_directory_of_ours_names_an_id(tmp_path):
    """Whichever of them is left."""
    paths = Paths(tmp_path / "root", tmp_path / "state")
    assert ids_on_disk(paths) == OwnIds()
    a, b, c, d, e, f = (letter * 64 for letter in "abcdef")
    for directory in (
        *(paths.sandbox_root(a), paths.sandbox_state(b)),
        *(paths.container_root(c), paths.container_state(d), paths.idmapped() / e, paths.image_mounts() / f),
    ):
        directory.mkdir(parents=True)
    assert ids_on_disk(paths) == OwnIds(frozenset({a, b}), frozenset({c, d, e, f}))


@pytest.mark.parametrize("name", ["theirs", "docker", "lost+found", "a" * 63, "a" * 65, "A" * 64, f"{'a' * 64}\n"])
def test_a_name_that_is_not_an_id_leads_to_nothing(tmp_path, name):
    """A container or a cgroup of others may have it."""
    paths = Paths(tmp_path / "root", tmp_path / "state")
    for directory in (paths.sandbox_root(name), paths.container_state(name)):
        directory.mkdir(parents=True)
    assert ids_on_disk(paths) == OwnIds()


def test_mounts_of_others_in_root_and_state_are_not_ours(tmp_path, monkeypatch):
    """Only those in the directories of pods and containers."""
    paths = Paths(tmp_path / "root", tmp_path / "state", netns_under_state=True)
    ours = [f"{paths.sandbox_state('a')}/shm", f"{paths.image_mounts()}/b/0", f"{paths.netns_dir()}/cni-a"]
    theirs = [f"{tmp_path}/root/theirs", f"{tmp_path}/state/theirs", str(paths.sandboxes_root())]
    line = "1 0 0:1 / {} rw - tmpfs none rw"
    mounts = parse_mountinfo("\n".join(line.format(path) for path in (*ours, *theirs)))
    monkeypatch.setattr(on_node, "read_mountinfo", lambda: mounts)
    assert {mount.path for mount in on_node.own_mounts(paths)} == set(ours)


def test_only_reservations_of_ours_are_ours(tmp_path, monkeypatch):
    """In the directory that the network names, and in the usual one."""
    monkeypatch.setattr(reservations, "DEFAULT_DIRECTORY", tmp_path / "usual")
    usual, own_place = tmp_path / "usual", tmp_path / "own"
    for place in ("usual", "own"):
        network = tmp_path / place / "net"
        network.mkdir(parents=True)
        (network / "10.0.0.2").write_bytes(b"ours\r\neth0")
        (network / "10.0.0.3").write_bytes(b"theirs\r\neth0")
        (network / "10.0.0.4").mkdir()
        (network / "last_reserved_ip.0").write_text("ours")
        (network / "lock").touch()
    (tmp_path / "usual/file").touch()
    source = json.dumps({"plugins": [{"ipam": {"type": "host-local", "dataDir": str(own_place)}}]}).encode()
    assert reservations.reserved_for({"ours"}, [source]) == [
        own_place / "net/10.0.0.2",
        tmp_path / "usual/net/10.0.0.2",
    ]
    assert reservations.reserved_for({"ours"}, []) == [usual / "net/10.0.0.2"]


@pytest.mark.parametrize(
    "source",
    [
        *(b"", b"[]", b"{", b'{"plugins": 1}', b'{"plugins": [1, {"ipam": []}]}'),
        b'{"ipam": {"type": "dhcp", "dataDir": "/a"}}',
        *(
            b'{"ipam": {"type": "host-local", "dataDir": %s}}' % value
            for value in (b"1", b'"a"', b'"/a\\u0000"', b'""')
        ),
    ],
)
def test_a_configuration_of_any_form_names_no_directory(source):
    """It is a file of the node, or what a cache has of one."""
    assert reservations.data_directories(source) == []


def test_one_plugin_alone_names_its_directory():
    """The old form of a configuration, without a list."""
    assert reservations.data_directories(b'{"ipam": {"type": "host-local", "dataDir": "/a"}}') == [Path("/a")]


@pytest.mark.parametrize(
    "source",
    [
        b'{"plugins": [null, {"IPAM": {"Type": "host-local", "DATADIR": "/a"}}]}',
        b'{"plugins": [{"ipam": {"type": "host-local"}, "ipam": {"datadir": "/a"}}]}',
        b'{"name": "caf\xe9", "plugins": [{"ipam": 5}, {"ipam": {"type": "host-local", "dataDir": "/a"}}]}',
    ],
)
def test_the_configuration_is_read_as_the_plugin_reads_it(source):
    """By Go's rules: a reservation that is overlooked stays for ever."""
    assert reservations.data_directories(source) == [Path("/a")]


@pytest.fixture
def config(tmp_path):
    """A daemon's, with everything below the test's directory."""
    top = tmp_path / "daemon"
    return Config(root=str(top / "root"), state=str(top / "state"), socket_path=str(top / "state/s.sock"))


def paths_of(config: Config) -> Paths:
    return Paths(Path(config.root), Path(config.state))


@pytest.mark.parametrize("lock", ["root/root.lock", "root/state.lock", "state/root.lock", "state/s.sock.lock"])
@pytest.mark.parametrize(("content", "said"), [(b"4711\n", "process 4711"), (b"x", "another process")])
def test_a_lock_that_is_held_names_its_holder(config, lock, content, said):
    """One that is only there means nothing, and looking changes nothing."""
    assert holder_of(config) == ""
    path = Path(config.root).parent / lock
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert holder_of(config) == ""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert holder_of(config) == said
    assert holder_of(config) == ""
    assert path.read_bytes() == content


def test_directories_of_others_stay(config):
    """Such as the journal of a set-up in root."""
    paths = paths_of(config)
    for directory in (paths.sandboxes_root(), paths.containers_state()):
        directory.mkdir(parents=True)
    (paths.root / "setup.json").write_text("{}")
    (paths.root / "root.lock").touch()
    paths.shim_calls().touch()
    assert remove_own_paths(config, paths) == {}
    assert os.listdir(paths.root) == ["setup.json"]
    assert not paths.state.exists()


@pytest.mark.parametrize(("root", "state"), [("a", "a/b"), ("a/b", "a")])
def test_one_directory_may_be_in_the_other(tmp_path, root, state):
    """Both go, with the socket and the lock of the HTTP listener."""
    http = HttpSection(address=f"unix://{tmp_path}/http.sock")
    socket = str(tmp_path / state / "s.sock")
    config = Config(root=str(tmp_path / root), state=str(tmp_path / state), socket_path=socket, http=http)
    for file in (*(tmp_path / root / "root.lock", tmp_path / state / "state.lock"), tmp_path / "http.sock.lock"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert remove_own_paths(config, paths_of(config)) == {}
    assert os.listdir(tmp_path) == []


def test_what_is_in_a_directory_of_pods_is_not_removed_with_it(config):
    """It could not be removed by what knows how to."""
    paths = paths_of(config)
    paths.sandbox_root("a").mkdir(parents=True)
    (paths.sandbox_root("a") / "hosts").touch()
    assert remove_own_paths(config, paths) == {str(paths.sandboxes_root()): "Directory not empty"}
    assert (paths.sandbox_root("a") / "hosts").exists()
