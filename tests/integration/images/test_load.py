"""Archives of images: OCI's and Docker's, streamed, hostile and broken ones."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import resource
import subprocess
import tarfile

import pytest

from containerd_client.distribution.values.errors import CorruptBlobError, DistributionError, ManifestError
from cri_shim.images.load import load_images
from lab.bridge import program
from lab.images import (
    OCI_LAYER_GZIP,
    OCI_LAYER_PLAIN,
    Tree,
    build_image,
    build_index,
    digest_of,
    write_oci_layout,
)

pytestmark = pytest.mark.root

NAME = "docker.io/library/loaded:1"


def image_of(layers: int = 2, media_type: str = OCI_LAYER_PLAIN, **options):
    return build_image(*(Tree().file(f"f{n}", os.urandom(3000)).layer(media_type) for n in range(layers)), **options)


def docker_archive(image, *tags, link: bool = False) -> bytes:
    """What ``docker save`` wrote before it knew OCI: the manifest last, equal layers as links."""
    tree, names = Tree(), []
    for number, layer in enumerate(image.layers):
        tree.file(f"layer{number}/layer.tar", layer.blob)
        names.append(f"layer{number}/layer.tar")
        if link:
            tree.directory(f"again{number}").symlink(f"again{number}/layer.tar", f"../layer{number}/layer.tar")
            names[-1] = f"again{number}/layer.tar"
    config = f"{image.id.removeprefix('sha256:')}.json"
    tree.file(config, image.config)
    tree.file("manifest.json", json.dumps([{"Config": config, "RepoTags": list(tags), "Layers": names}]).encode())
    return tree.tar()


async def load(parts, data: bytes):
    return await load_images(parts.containerd, io.BytesIO(data), "overlayfs")


async def test_oci(parts, tmp_path):
    """Named by its annotation, unpacked, kept through a garbage collection, and there for the daemon at once."""
    image = image_of(3, OCI_LAYER_GZIP)
    await parts.watch()
    (loaded,) = await load(parts, write_oci_layout(tmp_path, image, NAME).read_bytes())
    assert (loaded.id, loaded.chain_id, loaded.size) == (image.id, image.chain_id, image.size)
    assert loaded.repo_tags == (NAME,)
    assert loaded.repo_digests == (f"docker.io/library/loaded@{image.digest}",)
    left = await parts.left()
    assert {kind: len(names) for kind, names in left.items()} == {"images": 3, "content": 5, "snapshots": 3}
    async with asyncio.timeout(60):
        while not parts.images.resolve("loaded:1"):
            await asyncio.sleep(0.01)
    assert parts.images.resolve("loaded:1") == loaded
    await parts.images.remove(loaded)
    assert await parts.left() == {}


async def test_index_for_several_machines(parts, tmp_path):
    """Of an index in the archive this machine's image is taken; blobs of the others do not stay."""
    own, other = image_of(), image_of(architecture="s390x")
    index = build_index(other, own)
    (loaded,) = await load(parts, write_oci_layout(tmp_path, index, NAME).read_bytes())
    assert loaded.id == own.id
    await parts.images.load_all()
    assert parts.images.resolve("loaded:1").id == own.id


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("media_type", [OCI_LAYER_PLAIN, OCI_LAYER_GZIP])
async def test_docker(parts, media_type, link):
    """The old layout, with layers packed or not, or linked; the id is the configuration's digest."""
    image = image_of(2, media_type)
    (loaded,) = await load(parts, docker_archive(image, "loaded:1", "r.io/other:2", link=link))
    assert (loaded.id, loaded.chain_id) == (image.id, image.chain_id)
    assert loaded.repo_tags == (NAME, "r.io/other:2")
    left = await parts.left()
    assert {kind: len(names) for kind, names in left.items()} == {"images": 5, "content": 4, "snapshots": 2}
    await parts.images.remove(loaded)
    assert await parts.left() == {}


async def test_without_a_name(parts):
    """An image that has no tag is there by its id."""
    image = image_of()
    (loaded,) = await load(parts, docker_archive(image))
    assert loaded.references == (image.id,)


async def test_loading_twice(parts, tmp_path):
    """A second time nothing changes."""
    data = write_oci_layout(tmp_path, image_of(), NAME).read_bytes()
    assert await load(parts, data) == await load(parts, data)


def broken_archives(tmp_path):
    """What each broken archive is refused with."""
    image = image_of()
    good = write_oci_layout(tmp_path, image, NAME).read_bytes()
    yield "empty", b"", ManifestError, "cannot be read"
    yield "no tar", os.urandom(5000), ManifestError, "cannot be read"
    yield "truncated", good[: len(good) // 2], DistributionError, "archive"
    yield "nothing in it", Tree().file("README", b"x").tar(), ManifestError, "neither an index.json"
    flipped = good.replace(image.layers[0].blob[600:700], bytes(100))
    yield "wrong bytes", flipped, CorruptBlobError, "is not what its name says"
    yield "no digest", Tree().file("blobs/sha256/x", b"x").tar(), ManifestError, "not named after a digest"
    yield "not JSON", Tree().file("index.json", b"{").tar(), ManifestError, "not JSON"
    absent = json.dumps([{"Config": "../../etc/passwd", "Layers": ["/etc/passwd"]}]).encode()
    yield "files of the machine", Tree().file("manifest.json", absent).tar(), ManifestError, "does not hold it"
    yield "huge document", Tree().file("index.json", bytes(9 << 20)).tar(), ManifestError, "too large"
    bad = docker_archive(image, "Not A Name")
    yield "bad name", bad, ManifestError, "names an image"
    lacking = Tree().file("index.json", _layout_index(image)).tar()
    yield "lacks blobs", lacking, DistributionError, "incomplete"


def _layout_index(image) -> bytes:
    entry = {"mediaType": image.media_type, "digest": image.digest, "size": len(image.manifest)}
    return json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()


async def test_broken(parts, tmp_path):
    """A broken archive is refused with a sentence, and leaves nothing."""
    for what, data, kind, said in broken_archives(tmp_path):
        with pytest.raises(kind, match=said):
            await load(parts, data)
            pytest.fail(f"{what} was taken")
        assert await parts.left() == {}, what


async def test_links_in_a_circle(parts):
    """Links that lead nowhere end."""
    tree = Tree().symlink("a.tar", "b.tar").symlink("b.tar", "a.tar")
    config = image_of().config
    tree.file("c.json", config)
    tree.file("manifest.json", json.dumps([{"Config": "c.json", "Layers": ["a.tar"]}]).encode())
    with pytest.raises(ManifestError, match="does not hold it"):
        await load(parts, tree.tar())


def cri_shim(parts, *arguments, **options):
    settings = parts.daemon.directory / f"{parts.namespace}.toml"
    settings.write_text(f'[containerd]\naddress = "{parts.daemon.address}"\nnamespace = "{parts.namespace}"\n')
    command = [*program(), "image", "load", "--config", str(settings), *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **options)


async def test_command(parts, tmp_path):
    """From a file, and gzipped from a pipe; the output names what came."""
    image = image_of()
    file = write_oci_layout(tmp_path, image, NAME)
    done = await asyncio.to_thread(cri_shim, parts, str(file))
    assert (done.returncode, done.stdout.decode()) == (0, f"loaded {NAME} {image.id}\n"), done.stderr
    other = image_of()
    piped = gzip.compress(docker_archive(other, "piped:1"))
    done = await asyncio.to_thread(cri_shim, parts, "-", input=piped)
    assert done.stdout.decode() == f"loaded docker.io/library/piped:1 {other.id}\n", done.stderr
    assert (await parts.images.find("piped:1")).id == other.id


async def test_command_that_fails(parts, tmp_path):
    """One line that names the file, and exit code 1."""
    file = tmp_path / "x.tar"
    for name in (str(file), str(file)):
        done = await asyncio.to_thread(cri_shim, parts, name)
        assert done.returncode == 1
        assert done.stderr.decode().startswith(f"{file}: ")
        assert done.stderr.count(b"\n") == 1
        file.write_bytes(b"x" * 2000)


async def test_memory_stays_small(parts, tmp_path):
    """A layer larger than what may be in memory goes through it in pieces."""
    big = tmp_path / "big.tar"
    size = 200 << 20
    with tarfile.open(big, "w") as archive:
        info = tarfile.TarInfo("zeros")
        info.size = size
        with open("/dev/zero", "rb") as zeros:
            archive.addfile(info, zeros)
    layer = big.read_bytes()
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]}}
    ).encode()
    outer = tmp_path / "outer.tar"
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["big:1"], "Layers": ["l/layer.tar"]}]).encode()
    with tarfile.open(outer, "w") as archive:
        for name, data in (("l/layer.tar", layer), ("c.json", config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    del layer
    done = await asyncio.to_thread(
        cri_shim,
        parts,
        str(outer),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (180 << 20, 180 << 20)),
    )
    assert done.returncode == 0, done.stderr
