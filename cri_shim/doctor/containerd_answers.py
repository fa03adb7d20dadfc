"""Ask containerd once for everything that the checks need: version, plugins, the sandbox image, records."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from containerd_client import Containerd, ContainerdError, NotFound, call_options
from containerd_client.distribution.values.errors import InvalidReferenceError
from containerd_client.distribution.values.reference import parse_reference
from cri_shim.doctor.facts.containerd_socket import PATIENCE, SocketState, ask_version, connect, path_of
from cri_shim.kernel.executors import FS, run
from cri_shim.node.snapshotter_root import candidates
from cri_shim.state.stored.metadata import SANDBOX_EXTENSION, read_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterable

    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container
    from containerd_client.api.containerd.services.introspection.v1.introspection_pb2 import Plugin
    from cri_shim.config import Config
    from cri_shim.doctor.facts.place import Place

_LIST_SECONDS: Final = 10.0


class Answers(Struct, frozen=True):
    """What containerd has answered; None for what it has not, and ``reason`` then says why."""

    socket: SocketState
    reason: str = ""
    plugins: tuple[Plugin, ...] | None = None
    has_sandbox_image: bool | None = None
    ids: frozenset[str] | None = None
    """The ids of all records in our namespace."""
    netns_paths: frozenset[str] | None = None
    """The network namespaces of all pods; also None if a record cannot be read."""

    @property
    def is_containerd(self) -> bool:
        """Whether a containerd answers."""
        return self.socket.kind == "containerd"

    def directory(self, snapshotter: str) -> str:
        """Return the directory of a snapshotter, or where it usually is."""
        return candidates(self.plugins or (), snapshotter)[0]


async def ask(config: Config, place: Place) -> Answers:
    """Ask the configured containerd. Never raises ContainerdError; nothing is changed there."""
    address = path_of(config.containerd.address)
    state = await run(FS, connect, place.at(address))
    if state.kind != "connected":
        return Answers(state, f"containerd is not reachable at {address}")
    async with Containerd(config.containerd.address, namespace=config.containerd.namespace) as client:
        state = await ask_version(client, state)
        if state.kind != "containerd":
            return Answers(state, f"containerd does not answer on {address}")
        try:
            with call_options(timeout=PATIENCE):
                plugins = tuple(await client.introspection.plugins())
                image = await _has_image(client, config.image.sandbox_image)
            with call_options(timeout=_LIST_SECONDS):
                records = await client.containers.list()
        except ContainerdError as error:
            return Answers(state, f"containerd answers with an error: {error}")
        return Answers(state, "", plugins, image, frozenset(record.id for record in records), _netns_paths(records))


def _netns_paths(records: Iterable[Container]) -> frozenset[str] | None:
    pods = [record for record in records if SANDBOX_EXTENSION in record.extensions]
    try:
        return frozenset(read_sandbox(pod).netns_path for pod in pods)
    except ValueError:
        return None


async def _has_image(client: Containerd, name: str) -> bool:
    with suppress(InvalidReferenceError):  # an image may be stored under any name
        name = str(parse_reference(name))
    try:
        await client.images.get(name)
    except NotFound:
        return False
    return True
