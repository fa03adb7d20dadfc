"""The image verifiers of a node: real programs, asked by the contract of containerd's bindir plugin."""

from __future__ import annotations

import json
import os
import signal

import pytest

from containerd_client.distribution.values.errors import RefusedByPolicyError
from containerd_client.distribution.values.manifest import Descriptor
from cri_shim.images.verifier import LONGEST_REASON, OUTPUT_LIMIT, ImageVerifier
from lab.images import OCI_INDEX

DIGEST = "sha256:" + "a" * 64
TARGET = Descriptor(OCI_INDEX, DIGEST, 1234)
NAME = "docker.io/library/busybox:1"


def program(directory, name, body, mode=0o755):
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)
    return path


async def ask(directory, **settings):
    verifier = ImageVerifier(str(directory), **settings)
    await verifier.verify(NAME, TARGET, await verifier.programs())


async def test_no_verifier_to_ask(tmp_path):
    """An absent directory and an empty one allow everything, as in containerd; so does none at all."""
    await ask(tmp_path)
    await ask(tmp_path / "absent")
    assert await ImageVerifier("").programs() == ()


async def test_the_contract(tmp_path):
    """The arguments, the descriptor on standard input, and all of them in the order of their names."""
    out = tmp_path / "out"
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name in ("b", "a"):
        program(bin_dir, name, f'echo {name} "$@" >> {out}; cat >> {out}; echo fine')
    await ask(bin_dir)
    said = out.read_text().splitlines()
    arguments = f"-name {NAME} -digest {DIGEST} -stdin-media-type application/vnd.oci.descriptor.v1+json"
    assert said[::2] == [f"a {arguments}", f"b {arguments}"]
    assert json.loads(said[1]) == {"mediaType": OCI_INDEX, "digest": DIGEST, "size": 1234}


async def test_one_refusal_is_enough(tmp_path):
    """The first no ends it, and its reason is passed on."""
    program(tmp_path, "1", "exit 0")
    program(tmp_path, "2", "echo not signed; echo by us; exit 3")
    program(tmp_path, "3", f"touch {tmp_path}/asked")
    with pytest.raises(RefusedByPolicyError, match=r"/2 rejected sha256:a+ \(exit code 3\): not signed\\nby us"):
        await ask(tmp_path)
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda d: program(d, "x", "exit 0", 0o644), "cannot be run: Permission denied"),
        (lambda d: (d / "x").mkdir(), "cannot be run: Permission denied"),
        (lambda d: (d / "x").symlink_to("nowhere"), "cannot be run: No such file"),
        (lambda d: os.mkfifo(d / "x", 0o755), "cannot be run: Permission denied"),
        (lambda d: program(d, "x", "kill -9 $$"), "ended by signal 9"),
        (lambda d: program(d, "x", "exec sleep 600"), "did not answer within 0.3 s"),
        (lambda d: program(d, "x", f"sleep 600 & echo $! >{d}/x.child; exit 1"), "it gives no reason"),
    ],
    ids=["no-program", "directory", "dangling", "fifo", "killed", "hangs", "leaves-a-child"],
)
async def test_no_answer_is_no_permission(tmp_path, make, said):
    """Whatever in the directory does not answer stops the pull, in words."""
    make(tmp_path)
    with pytest.raises(RefusedByPolicyError, match=said):
        await ask(tmp_path, per_verifier_timeout=0.3 if "within" in said else 20.0)
    if (child := tmp_path / "x.child").exists():
        os.kill(int(child.read_text()), signal.SIGKILL)


async def test_a_directory_that_cannot_be_read(tmp_path):
    """What is in it is not known: that is a refusal and not the absence of verifiers."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RefusedByPolicyError, match=r"cannot be asked: Not a directory"):
        await ask(tmp_path / "file")


@pytest.mark.parametrize(("most", "asked"), [(-1, 3), (0, 0), (2, 2), (3, 3)])
async def test_how_many_are_asked(tmp_path, most, asked):
    """The first by name; less than 0 means all."""
    for name in ("c", "a", "b"):
        program(tmp_path, name, "exit 0")
    programs = await ImageVerifier(str(tmp_path), max_verifiers=most).programs()
    assert [os.path.basename(one) for one in programs] == ["a", "b", "c"][:asked]


async def test_much_output_that_is_no_text(tmp_path):
    """The reason is cut and can be sent; the program is not held up by what is not read."""
    program(
        tmp_path, "x", f"head -c {4 * OUTPUT_LIMIT} /dev/zero | tr '\\0' '\\377'; head -c 500000 /dev/zero >&2; exit 1"
    )
    with pytest.raises(RefusedByPolicyError) as refused:
        await ask(tmp_path)
    text = str(refused.value)
    text.encode()
    assert len(text) < LONGEST_REASON + 400
    assert "more characters" in text
