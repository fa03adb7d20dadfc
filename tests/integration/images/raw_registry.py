"""One manifest on a raw server, and how a client asks for it."""

from __future__ import annotations

import hashlib
import json

from containerd_client.distribution.registries.credentials import ANONYMOUS, Credentials
from containerd_client.distribution.registries.hosts import Host
from containerd_client.distribution.registries.registry import Source
from containerd_client.distribution.values.errors import CorruptBlobError
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.reference import parse_reference

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPE, "layers": []}).encode() + b" " * 1000
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
WANTED = Descriptor(MEDIA_TYPE, DIGEST, len(MANIFEST))
TAG, BY_DIGEST, BLOB = "/v2/app/manifests/1", f"/v2/app/manifests/{DIGEST}", f"/v2/app/blobs/{DIGEST}"
LOGIN = Credentials(username="jane", password="geheim")


def source(server, credentials=ANONYMOUS):
    return Source(parse_reference(f"{server.address}/app:1"), (Host(f"{server.url}/v2"),), credentials)


async def read(client, where, wanted=WANTED, **options):
    async with client.blob(where, wanted, **options) as body:
        return b"".join([chunk async for chunk in body.chunks])


async def whole(client, where):
    """Do what a fetch does: too few bytes are none."""
    if await read(client, where) != MANIFEST:
        raise CorruptBlobError("too short")


async def resolved(client, where):
    answer = await client.resolve(where)
    return answer.digest, answer.size
