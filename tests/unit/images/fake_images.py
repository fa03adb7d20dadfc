"""As much of containerd as the image store asks: image records, blobs and snapshots in dictionaries."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.api.containerd.types import types_pb2
from containerd_client.errors import AlreadyExists, NotFound, Unavailable
from lab.images import OCI_CONFIG, OCI_MANIFEST


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class FakeContainerd:
    """``fail_delete``: the number of the Images/Delete that answers UNAVAILABLE; ``gates``: names whose Get waits."""

    namespace = "k8s.io"

    def __init__(self) -> None:
        self.records: dict[str, images_pb2.Image] = {}
        self.blobs: dict[str, bytes] = {}
        self.gates: dict[str, list[asyncio.Event]] = {}
        self.lists: list[asyncio.Event] = []
        self.fail_delete = -1
        self.deleted: list[str] = []
        self.images = self.content = self

    def snapshots(self, _name: str) -> FakeContainerd:
        return self

    async def stat(self, _key: str) -> snapshots_pb2.Info:
        return snapshots_pb2.Info(kind=snapshots_pb2.COMMITTED)

    async def read_all(self, digest: str, _limit: int) -> bytes:
        if digest not in self.blobs:
            raise NotFound("Content/Read", f"{digest}: not found")
        return self.blobs[digest]

    async def get(self, name: str) -> images_pb2.Image:
        gates = self.gates.get(name)
        record = self.records.get(name)
        if gates:
            await gates.pop(0).wait()
        if record is None:
            raise NotFound("Images/Get", f"{name}: not found")
        return images_pb2.Image.FromString(record.SerializeToString())

    async def list(self, *filters: str) -> list[images_pb2.Image]:
        wanted = [one.removeprefix("target.digest==") for one in filters]
        records = [one for one in self.records.values() if not wanted or one.target.digest in wanted]
        if self.lists:
            await self.lists.pop(0).wait()
        return records

    async def create(self, image: images_pb2.Image) -> None:
        if image.name in self.records:
            raise AlreadyExists("Images/Create", f"{image.name}: already exists")
        self.records[image.name] = image

    async def update(self, image: images_pb2.Image, *fields: str) -> None:
        if image.name not in self.records:
            raise NotFound("Images/Update", f"{image.name}: not found")
        if "target" in fields:
            self.records[image.name].target.CopyFrom(image.target)
        self.records[image.name].labels.update(image.labels)

    async def delete(self, name: str, *, sync: bool = False) -> None:
        if len(self.deleted) == self.fail_delete:
            self.fail_delete = -1
            raise Unavailable("Images/Delete", "containerd is away")
        if self.records.pop(name, None) is None:
            raise NotFound("Images/Delete", f"{name}: not found")
        self.deleted.append(f"{name} sync" if sync else name)

    def hold(self, name: str) -> asyncio.Event:
        """Let the next Get of ``name`` wait; what it answers is what was so when it was asked."""
        gate = asyncio.Event()
        self.gates.setdefault(name, []).append(gate)
        return gate

    def hold_list(self) -> asyncio.Event:
        """Let the next List wait likewise."""
        gate = asyncio.Event()
        self.lists.append(gate)
        return gate

    def add_blob(self, data: bytes) -> str:
        self.blobs[digest_of(data)] = data
        return digest_of(data)

    def add_image(self, *names: str, config: bytes = b"", labels: dict[str, str] | None = None, **inner: Any) -> str:
        """Bring an image without layers, as another client would; return its id."""
        document = config or json.dumps({"os": "linux", "architecture": "amd64", "config": inner}).encode()
        image_id = self.add_blob(document)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": image_id, "size": len(document)},
                "layers": [],
            }
        ).encode()
        target = types_pb2.Descriptor(media_type=OCI_MANIFEST, digest=self.add_blob(manifest), size=len(manifest))
        for name in names:
            self.records[name] = images_pb2.Image(name=name, target=target, labels=labels or {})
        return image_id
