"""Commands of the tiny crictl that send one request and print its answer, such as ``version`` and ``info``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.protobuf.message import Message

    from lab.cri_client import CriClient


async def version(client: CriClient, _operand: str) -> str:
    """Return the versions that the server names."""
    answer = await client.Version()
    fields = ("version", "runtime_name", "runtime_version", "runtime_api_version")
    titles = ("Version", "RuntimeName", "RuntimeVersion", "RuntimeApiVersion")
    return "\n".join(f"{title}:  {getattr(answer, field)}" for title, field in zip(titles, fields, strict=True))


async def info(client: CriClient, _operand: str) -> str:
    """Return the server's conditions and what it says of itself."""
    answer = await client.Status(verbose=True)
    return _document(answer.status, answer.info)


async def inspectp(client: CriClient, pod: str) -> str:
    """Return everything about a pod."""
    answer = await client.PodSandboxStatus(pod_sandbox_id=pod, verbose=True)
    return _document(answer.status, answer.info)


async def inspecti(client: CriClient, image: str) -> str:
    """Return everything about an image; raises SystemExit if it is not there."""
    answer = await client.ImageStatus(image={"image": image}, verbose=True)
    if not answer.HasField("image"):
        raise SystemExit(f"no such image {image!r} present")
    return _document(answer.image, answer.info)


async def stats(client: CriClient, container: str) -> str:
    """Return a container's use of the processor since its start, and of memory now."""
    used = (await client.ContainerStats(container_id=container)).stats
    cpu, memory = used.cpu.usage_core_nano_seconds.value / 1e9, used.memory.working_set_bytes.value / 1e6
    row = f"{used.attributes.id[:13]:<15}{used.attributes.metadata.name:<10}{cpu:<9.3g}{memory:.4g}MB"
    return f"{'CONTAINER':<15}{'NAME':<10}{'CPU s':<9}MEM\n{row}"


async def pull(client: CriClient, image: str) -> str:
    """Fetch an image from its registry."""
    answer = await client.PullImage(image={"image": image})
    return f"Image is up to date for {answer.image_ref}"


async def rmi(client: CriClient, image: str) -> str:
    """Remove an image; raises SystemExit if it is not there."""
    await inspecti(client, image)
    await client.RemoveImage(image={"image": image})
    return f"Deleted: {image}"


def _document(status: Message, more: Mapping[str, str]) -> str:
    parts = {"status": MessageToDict(status, preserving_proto_field_name=True)}
    return json.dumps(parts | {key: _parsed(value) for key, value in more.items()}, indent=2)


def _parsed(text: str) -> object:
    """Return what a text of a verbose answer holds: mostly JSON, and else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


ANSWERS: dict[str, tuple[str, str, Callable[[CriClient, str], Awaitable[str]]]] = {
    "version": ("print the server's version", "", version),
    "info": ("print what the server says of itself", "", info),
    "inspectp": ("print a pod's status", "pod", inspectp),
    "inspecti": ("print an image's status", "image", inspecti),
    "stats": ("print what a container uses", "container", stats),
    "pull": ("fetch an image", "image", pull),
    "rmi": ("remove an image", "image", rmi),
}
"""By name: what it does, its operand, if it has one, and the function."""
