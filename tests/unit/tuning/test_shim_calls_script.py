"""The script that containerd runs in place of the shim's program, run by real shells in real bundles, without root."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cri_shim.paths import Paths
from cri_shim.tuning.shim_calls import install_script

if TYPE_CHECKING:
    from collections.abc import Iterator

POD, ID = "a" * 64, "b" * 64
SHELLS = {
    name: command
    for name, command in {
        "sh": ["/bin/sh"],
        "bash": ["/bin/bash", "--posix"],
        "busybox": ["/bin/busybox", "sh"],
    }.items()
    if Path(command[0]).exists()
}


@dataclass
class Node:
    """Two bundles side by side, a directory with a program in the shim's place, and the script."""

    directory: Path
    script: Path
    shell: list[str]
    path: str = ""
    """What precedes the rest of PATH."""

    @property
    def bundle(self) -> Path:
        return self.directory / "k8s.io" / ID

    @property
    def pod(self) -> Path:
        return self.directory / "k8s.io" / POD

    @property
    def hint(self) -> Path:
        return self.directory / "it's state" / "containers" / ID / "sandbox"

    @property
    def runc(self) -> Path:
        return self.directory / "runc"

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.path}{self.directory}/bin:{self.directory}/tools"}

    def listen(self) -> tuple[socket.socket, str]:
        """A shim's socket and its address."""
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(self.directory / "s"))
        return listening, f"unix://{self.directory}/s"

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """What the script prints, in the words of containerd: output and errors together."""
        done = subprocess.run(
            [*self.shell, str(self.script), *arguments],
            cwd=self.bundle,
            env=self.environment,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=30,
            check=True,
        )
        return done.stdout

    def start(self, *more: str) -> bytes:
        """``start`` as containerd 1.6 to 2.3 say it."""
        return self.run(*_START, *more, "start", stdin=b"options")

    def delete(self) -> bytes:
        """``delete``, likewise."""
        return self.run(*_START, "-bundle", str(self.bundle), "delete")


_START = ("-namespace", "k8s.io", "-address", "/run/c.sock", "-publish-binary", "/opt/it's here/containerd", "-id", ID)
PROGRAM = "#!/bin/sh\nprintf '<%s>' program \"$@\"\ncat\n"


def passed_on(*arguments: str, stdin: str = "") -> bytes:
    """What the program in the shim's place prints."""
    return ("".join(f"<{each}>" for each in ("program", *arguments)) + stdin).encode()


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    # A short path: a socket's address is limited to 108 bytes.
    with tempfile.TemporaryDirectory(prefix="calls") as name:
        directory = Path(name)
        paths = Paths(root=directory / "root", state=directory / "it's state")
        paths.root.mkdir()
        made = Node(directory, Path(install_script(paths)), SHELLS[request.param])
        for each in (
            made.bundle,
            made.pod,
            made.hint.parent,
            made.runc / "k8s.io",
            directory / "bin",
            directory / "tools",
        ):
            each.mkdir(parents=True)
        for tool in ("cat", "date"):
            (directory / "tools" / tool).symlink_to(shutil.which(tool) or tool)
        program = directory / "bin" / "containerd-shim-runc-v2"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        (made.bundle / "options.json").write_text(f'{{"root":"{made.runc}","systemd_cgroup":true}}')
        (made.bundle / "init.pid").write_text("4711")
        yield made


def test_it_can_be_run(node):
    """containerd executes it as it would execute the program."""
    node.shell = []
    assert node.run("-v") == passed_on("-v")


@pytest.mark.parametrize("ending", ["", "\n"])
@pytest.mark.parametrize("more", [(), ("-debug",)])
def test_a_further_container_gets_the_address_of_the_pods_shim(node, ending, more):
    """And the address is in its bundle, where containerd 1.6 and 1.7 look for it when they start again."""
    node.hint.write_text(POD)
    listening, address = node.listen()
    (node.pod / "address").write_text(address + ending)
    with closing(listening):
        assert node.start(*more) == address.encode()
    assert (node.bundle / "address").read_text() == address


def test_a_further_container_gets_the_parameters_of_the_pods_shim(node):
    """The shims of containerd 2 leave no address; containerd has kept what the first start answered."""
    node.hint.write_text(POD)
    listening, address = node.listen()
    parameters = f'{{"version":3,"address":"{address}","protocol":"ttrpc"}}'
    (node.pod / "bootstrap.json").write_text(parameters)
    with closing(listening):
        assert node.start() == parameters.encode()
    assert not (node.bundle / "address").exists()


def test_the_pods_own_shim_is_started(node):
    """Nothing says that a pod is in a pod."""
    assert node.start() == passed_on(*_START, "start", stdin="options")


def _no_bundle(node):
    shutil.rmtree(node.pod)


def _no_socket(node):
    (node.pod / "address").write_text(f"unix://{node.directory}/gone")


def _no_socket_of_2(node):
    (node.pod / "bootstrap.json").write_text('{"version":3,"address":"unix:///gone/s","protocol":"ttrpc"}')


def _vsock(node):
    (node.pod / "bootstrap.json").write_text('{"version":3,"address":"vsock://3:1024","protocol":"grpc"}')


def _empty_address(node):
    (node.pod / "address").write_text("")


def _empty_hint(node):
    node.hint.write_text("")


@pytest.mark.parametrize("doubt", [_no_bundle, _no_socket, _no_socket_of_2, _vsock, _empty_address, _empty_hint])
def test_in_doubt_the_program_finds_the_shim(node, doubt):
    """Its shim has gone, or it is not as expected: the program knows what to do."""
    node.hint.write_text(POD)
    doubt(node)
    assert node.start() == passed_on(*_START, "start", stdin="options")
    assert not (node.bundle / "address").exists()


def test_nothing_is_left_to_undo_after_an_ordinary_end(node):
    """runc has forgotten the container when the shim has deleted it; the answer has what the program's would have."""
    before = int(time.time())
    said = node.delete()
    head, _, end = said.partition(b"\x1a\x06")
    assert head == b"\x08\xe7\x24\x10\x89\x01"  # field 1: pid 4711; field 2: 128 + SIGKILL
    assert before <= Timestamp.FromString(end).seconds <= time.time()


def _unfinished(node):
    (node.bundle / "init.pid").unlink()


def _living(node):
    (node.runc / "k8s.io" / ID).mkdir()


def _other_runtime(node):
    (node.bundle / "options.json").write_text(f'{{"binary_name":"youki","root":"{node.runc}"}}')


def _in_front_of_runc(node):
    (node.bundle / "options.json").write_text(f'{{"binary_name":"/opt/bin/runc","root":"{node.runc}"}}')


def _not_quite_crun(node):
    (node.bundle / "options.json").write_text(f'{{"binary_name":"/opt/crun-wrapper","root":"{node.runc}"}}')


def _escaped_root(node):
    (node.bundle / "options.json").write_text('{{"root":"{}"}}'.format(str(node.runc).replace("/", "\\u002f")))


def _no_options(node):
    (node.bundle / "options.json").unlink()


def _unknown_root(node):
    shutil.rmtree(node.runc)


@pytest.mark.parametrize("name", ["crun", "/usr/bin/crun", "runc"])
def test_a_container_that_crun_has_forgotten(node, name):
    """crun, by its name or its path, keeps the state of a container in a folder of the same name as runc does."""
    (node.bundle / "options.json").write_text(f'{{"binary_name":"{name}","root":"{node.runc}"}}')
    assert node.delete().startswith(b"\x08\xe7\x24\x10\x89\x01")


DOUBTS = (_living, _unfinished, _escaped_root, _no_options, _unknown_root)
RUNTIMES = (_other_runtime, _in_front_of_runc, _not_quite_crun)


@pytest.mark.parametrize("doubt", [*DOUBTS, *RUNTIMES])
def test_in_doubt_the_program_undoes(node, doubt):
    """A shim that was killed leaves a container, or a runc that makes one; another runtime has its state elsewhere."""
    doubt(node)
    assert node.delete() == passed_on(*_START, "-bundle", str(node.bundle), "delete")


@pytest.mark.parametrize("arguments", [(), ("-info",), ("-id", "delete"), ("start", "-v"), ("a b", "*", "")])
def test_other_calls_are_passed_on(node, arguments):
    """With the arguments and the input as they came."""
    node.hint.write_text(POD)
    assert node.run(*arguments, stdin=b"in") == passed_on(*arguments, stdin="in")


def test_the_program_may_be_beside_containerd(node):
    """containerd looks there after PATH."""
    beside = node.directory / "of containerd"
    (node.directory / "bin").rename(beside)
    arguments = ("-publish-binary", f"{beside}/containerd", "-v")
    assert node.run(*arguments) == passed_on(*arguments)


def test_a_start_leaves_the_programs_path(node):
    """As containerd finds it: a link leads to the version of the day, and relative entries of PATH do not count."""
    versions = node.directory / "1.6"
    (node.directory / "bin").rename(versions)
    (node.directory / "bin").symlink_to(versions.name)
    program = node.bundle / "containerd-shim-runc-v2"
    shutil.copy(versions / program.name, program)
    node.path = ".::bin:"
    assert node.start().startswith(b"<program>")
    assert (node.bundle / "shim-calls-program").read_text() == f"{node.directory}/bin/{program.name}"


def test_a_start_leaves_the_path_of_a_program_beside_containerd(node):
    """containerd looks there after PATH."""
    beside = node.directory / "of containerd"
    (node.directory / "bin").rename(beside)
    node.run("-namespace", "k8s.io", "-id", ID, "-publish-binary", f"{beside}/containerd", "start")
    assert (node.bundle / "shim-calls-program").read_text() == f"{beside}/containerd-shim-runc-v2"


def test_without_a_program_no_path_is_left(node):
    """containerd would drop the container at its next start."""
    node.hint.write_text(POD)
    listening, address = node.listen()
    (node.pod / "address").write_text(address)
    (node.directory / "bin" / "containerd-shim-runc-v2").unlink()
    with closing(listening):
        assert node.start() == address.encode()
    assert not (node.bundle / "shim-calls-program").exists()


def test_containerd_may_not_say_where_it_is(node):
    """When it asks for the features of the shim, for a pod with mapped mounts: the caller's own program says so."""
    beside = node.directory / "of containerd"
    (node.directory / "bin").rename(beside)
    (node.directory / "tools" / "readlink").symlink_to(shutil.which("readlink") or "readlink")
    containerd = beside / "containerd"
    shutil.copy(shutil.which("sh") or "sh", containerd)
    call = f"{shlex.join([*node.shell, str(node.script)])} -info; exit $?"
    done = subprocess.run(
        [str(containerd), "-c", call], cwd=node.bundle, env=node.environment, input=b"", capture_output=True, check=True
    )
    assert done.stdout == passed_on("-info")


def test_a_missing_program_is_an_error(node):
    """containerd then reports what the shell says."""
    (node.directory / "bin" / "containerd-shim-runc-v2").unlink()
    with pytest.raises(subprocess.CalledProcessError) as failed:
        node.run("-publish-binary", f"{node.directory}/containerd", "-v")
    assert b"containerd-shim-runc-v2" in failed.value.stdout
