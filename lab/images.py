"""Make images for tests: OCI layers, configs, manifests and indexes in memory, and push them by plain HTTP.

Nothing is downloaded: the file system is Debian's static busybox, the pause program is a page of C. Everything is
deterministic (fixed times, sorted entries), so the same call gives the same digests. Pushing uses the protocol of the
OCI distribution specification (POST upload, PUT blob, PUT manifest) over the standard library's HTTP client.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.client
import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.patience import patient
from lab.pause import pause_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
OCI_LAYER_PLAIN = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"

BUSYBOX = Path("/bin/busybox")


def digest_of(blob: bytes) -> str:
    """Return ``sha256:HEX`` of these bytes."""
    return "sha256:" + hashlib.sha256(blob).hexdigest()


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as the registry stores it, and the digest of its tar before compression."""

    blob: bytes
    media_type: str
    diff_id: str

    @property
    def digest(self) -> str:
        """The digest of the blob as it is stored."""
        return digest_of(self.blob)


@dataclass(frozen=True, slots=True)
class Image:
    """One image for one platform. ``manifest`` and ``config`` are the exact bytes to push."""

    layers: tuple[Layer, ...]
    config: bytes
    manifest: bytes
    media_type: str = OCI_MANIFEST

    @property
    def id(self) -> str:
        """The image id: the digest of the config."""
        return digest_of(self.config)

    @property
    def digest(self) -> str:
        """The digest of the manifest, as in ``repo@digest``."""
        return digest_of(self.manifest)

    @property
    def chain_id(self) -> str:
        """The chain id of the topmost layer."""
        chain = ""
        for layer in self.layers:
            chain = digest_of(f"{chain} {layer.diff_id}".encode()) if chain else layer.diff_id
        return chain

    @property
    def size(self) -> int:
        """The size of manifest, config and layers as they are stored, in bytes."""
        return len(self.manifest) + len(self.config) + sum(len(layer.blob) for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Index:
    """Several images under one name, each with its platform object."""

    images: tuple[Image, ...]
    manifest: bytes
    media_type: str = OCI_INDEX

    @property
    def digest(self) -> str:
        """The digest of the index itself."""
        return digest_of(self.manifest)


@dataclass(slots=True)
class Tree:
    """A layer under construction. Paths are relative to the root; parents of a path are not added automatically."""

    entries: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    def directory(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Tree:
        """Add a directory."""
        return self._add(path, tarfile.DIRTYPE, mode, uid, gid)

    def file(self, path: str, content: bytes = b"", mode: int = 0o644, uid: int = 0, gid: int = 0) -> Tree:
        """Add a regular file."""
        return self._add(path, tarfile.REGTYPE, mode, uid, gid, content=content)

    def symlink(self, path: str, target: str) -> Tree:
        """Add a symbolic link; the target is used as it is (absolute, climbing or dangling)."""
        return self._add(path, tarfile.SYMTYPE, 0o777, 0, 0, target=target)

    def fifo(self, path: str) -> Tree:
        """Add a FIFO."""
        return self._add(path, tarfile.FIFOTYPE, 0o644, 0, 0)

    def device(self, path: str, major: int, minor: int) -> Tree:
        """Add a character device."""
        self._add(path, tarfile.CHRTYPE, 0o666, 0, 0)
        self.entries[-1][0].devmajor, self.entries[-1][0].devminor = major, minor
        return self

    def whiteout(self, path: str) -> Tree:
        """Delete a path that a lower layer holds."""
        parent, _, name = path.rpartition("/")
        return self.file(f"{parent}/.wh.{name}" if parent else f".wh.{name}")

    def opaque(self, path: str) -> Tree:
        """Hide everything that lower layers put into this directory."""
        return self.file(f"{path}/.wh..wh..opq")

    def _add(
        self, path: str, kind: bytes, mode: int, uid: int, gid: int, *, content: bytes = b"", target: str = ""
    ) -> Tree:
        info = tarfile.TarInfo(path.lstrip("/"))
        info.type, info.mode, info.uid, info.gid, info.linkname = kind, mode, uid, gid, target
        info.size, info.mtime = len(content), 1_700_000_000
        self.entries.append((info, content))
        return self

    def tar(self) -> bytes:
        """Return the layer's tar, uncompressed."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for info, content in self.entries:
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()

    def layer(self, media_type: str = OCI_LAYER_GZIP) -> Layer:
        """Finish the layer: compress the tar as the media type says."""
        return compress(self.tar(), media_type)


def compress(tar: bytes, media_type: str = OCI_LAYER_GZIP) -> Layer:
    """Make a layer from a tar. zstd needs the program of that name (see :func:`has_zstd`)."""
    if media_type.endswith("zstd"):
        blob = subprocess.run(["zstd", "-q", "-c"], input=tar, stdout=subprocess.PIPE, check=True).stdout
    elif media_type.endswith("gzip"):
        blob = gzip.compress(tar, compresslevel=1, mtime=0)
    else:
        blob = tar
    return Layer(blob, media_type, digest_of(tar))


def has_zstd() -> bool:
    """Return whether this machine can make zstd layers."""
    return shutil.which("zstd") is not None


def build_image(
    *layers: Layer,
    config: Mapping[str, Any] | None = None,
    architecture: str = "amd64",
    variant: str = "",
    os: str = "linux",
    docker: bool = False,
) -> Image:
    """Put an image together. ``config`` is the inner object (``Cmd``, ``Env``, ``User``, …) of the image config."""
    document: dict[str, Any] = {
        "architecture": architecture,
        "os": os,
        "created": "2023-11-14T22:13:20Z",
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created_by": f"layer {number}"} for number in range(len(layers))],
    }
    if variant:
        document["variant"] = variant
    config_bytes = json.dumps(document, sort_keys=True).encode()
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _descriptor(DOCKER_CONFIG if docker else OCI_CONFIG, config_bytes),
        "layers": [
            _descriptor(DOCKER_LAYER_GZIP if docker and "gzip" in layer.media_type else layer.media_type, layer.blob)
            for layer in layers
        ],
    }
    return Image(layers, config_bytes, json.dumps(manifest, sort_keys=True).encode(), media_type)


def build_index(*images: Image, docker: bool = False) -> Index:
    """Put several images under one name; each platform is read back from the image's own config."""
    media_type = DOCKER_LIST if docker else OCI_INDEX
    manifests = []
    for image in images:
        config = json.loads(image.config)
        platform = {key: config[key] for key in ("os", "architecture", "variant") if key in config}
        manifests.append(_descriptor(image.media_type, image.manifest) | {"platform": platform})
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}
    return Index(images, json.dumps(document, sort_keys=True).encode(), media_type)


def with_manifest(image: Image, change: Mapping[str, Any]) -> Image:
    """Return the image with top-level keys of its manifest replaced (to make broken ones)."""
    return replace(image, manifest=json.dumps(json.loads(image.manifest) | dict(change), sort_keys=True).encode())


@functools.cache
def busybox_layer() -> Layer:
    """The file system of the busybox images: the static binary, a link per applet, /etc/passwd and /etc/group."""
    tree = Tree()
    for path in ("bin", "etc", "root", "proc", "sys", "dev", "run", "var", "var/log", "usr", "usr/bin", "home"):
        tree.directory(path)
    tree.directory("tmp", 0o1777)
    tree.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
    applets = subprocess.run([BUSYBOX, "--list"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    for applet in sorted(set(applets) - {"busybox"}):
        tree.symlink(f"bin/{applet}", "busybox")
    tree.file(
        "etc/passwd",
        b"root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
        b"www-data:x:33:33:www-data:/var:/bin/false\napp:x:1000:1000:app:/home:/bin/sh\n",
    )
    tree.file(
        "etc/group",
        b"root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\nwww-data:x:33:\napp:x:1000:\nextra:x:2000:app\nmore:x:2001:app\n",
    )
    return tree.layer()


def busybox_image(  # noqa: PLR0917 - tests read best with the few they need by name
    cmd: Sequence[str] | None = None,
    entrypoint: Sequence[str] | None = None,
    user: str = "",
    env: Iterable[str] = (),
    volumes: Iterable[str] = (),
    labels: Mapping[str, str] | None = None,
    files: Mapping[str, bytes | tuple[Any, ...]] | None = None,
    workdir: str = "",
    stop_signal: str = "",
) -> Image:
    """Return a runnable image. ``cmd`` is ``["sh"]`` when neither it nor ``entrypoint`` is given.

    ``files`` become a second layer: path → content, or (content, mode) or (content, mode, uid, gid).
    """
    config: dict[str, Any] = {"Env": ["PATH=/bin:/usr/bin", *env]}
    if cmd is not None or entrypoint is None:
        config["Cmd"] = list(cmd if cmd is not None else ["sh"])
    if entrypoint is not None:
        config["Entrypoint"] = list(entrypoint)
    optional = {"User": user, "WorkingDir": workdir, "StopSignal": stop_signal, "Labels": dict(labels or {})}
    config |= {key: value for key, value in optional.items() if value}
    if paths := list(volumes):
        config["Volumes"] = {path: {} for path in paths}
    layers = [busybox_layer()]
    if files:
        layers.append(_files_layer(files))
    return build_image(*layers, config=config)


def _files_layer(files: Mapping[str, bytes | tuple[Any, ...]]) -> Layer:
    """Make a layer of files, with the directories above them."""
    tree, seen = Tree(), set[str]()
    for path, value in sorted(files.items()):
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            if parent not in seen and parent not in {"bin", "etc", "tmp", "var", "usr", "home", "root"}:
                tree.directory(parent)
            seen.add(parent)
        content, *rest = value if isinstance(value, tuple) else (value,)
        tree.file("/".join(parts), content, *rest)
    return tree.layer()


@functools.cache
def pause_image() -> Image:
    """Return the sandbox image: a PID 1 that waits, reaps, and exits on SIGTERM. C if it can be had, else a shell."""
    program = pause_program()
    if program is None:
        return busybox_image(entrypoint=["sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 1 & wait; done"])
    layer = Tree().file("pause", program, 0o755).layer()
    return build_image(layer, config={"Entrypoint": ["/pause"], "User": "65535:65535", "Env": ["PATH=/"]})


def push(registry: str, reference: str, image: Image | Index) -> str:
    """Push to ``HOST:PORT`` under ``repo:tag`` by HTTP and return the digest. Blobs that are there are not sent again.

    Raises :class:`RuntimeError` with the registry's answer when it refuses.
    """
    repository, _, tag = reference.rpartition(":")
    connection = http.client.HTTPConnection(registry, timeout=patient(30))
    try:
        if isinstance(image, Index):
            for member in image.images:
                _push_image(connection, repository, member.digest, member)
            _put_manifest(connection, repository, tag, image.manifest, image.media_type)
        else:
            _push_image(connection, repository, tag, image)
    finally:
        connection.close()
    return image.digest


def _push_image(connection: http.client.HTTPConnection, repository: str, tag: str, image: Image) -> None:
    for blob in (*(layer.blob for layer in image.layers), image.config):
        _push_blob(connection, repository, blob)
    _put_manifest(connection, repository, tag, image.manifest, image.media_type)


def _push_blob(connection: http.client.HTTPConnection, repository: str, blob: bytes) -> None:
    digest = digest_of(blob)
    if _call(connection, "HEAD", f"/v2/{repository}/blobs/{digest}", ok=(200, 404)).status == 200:
        return
    location = _call(connection, "POST", f"/v2/{repository}/blobs/uploads/", ok=(202,)).headers["Location"]
    target = location.split("://", 1)[1].partition("/")[2] if "://" in location else location.lstrip("/")
    separator = "&" if "?" in target else "?"
    headers = {"Content-Type": "application/octet-stream"}
    _call(connection, "PUT", f"/{target}{separator}digest={digest}", blob, headers, ok=(201,))


def _put_manifest(
    connection: http.client.HTTPConnection, repository: str, tag: str, manifest: bytes, media_type: str
) -> None:
    _call(connection, "PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": media_type}, ok=(201,))


def _call(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    ok: tuple[int, ...],
) -> http.client.HTTPResponse:
    connection.request(method, path, body, dict(headers or {}))
    response = connection.getresponse()
    answer = response.read()
    if response.status not in ok:
        raise RuntimeError(f"{method} {path}: registry answered {response.status}: {answer[:500]!r}")
    return response


def write_oci_layout(directory: Path, image: Image | Index, name: str) -> Path:
    """Write an OCI layout tar that ``ctr images import`` takes; the image is named ``name``. Returns the tar's path."""
    images = image.images if isinstance(image, Index) else (image,)
    blobs = {
        blob for member in images for blob in (member.manifest, member.config, *(lay.blob for lay in member.layers))
    }
    blobs.add(image.manifest)
    entry = _descriptor(image.media_type, image.manifest)
    entry["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    tree = Tree().file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}').directory("blobs").directory("blobs/sha256")
    for blob in sorted(blobs):
        tree.file(f"blobs/sha256/{digest_of(blob).removeprefix('sha256:')}", blob)
    tree.file("index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
    path = directory / f"layout-{image.digest.removeprefix('sha256:')[:12]}.tar"
    path.write_bytes(tree.tar())
    return path


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(blob), "size": len(blob)}
