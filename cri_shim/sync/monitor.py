"""Follow the event stream that keeps the stores true (docs/adr/0001).

While the stream is open, it reports exits, OOM kills and image changes as they happen. When it breaks, the daemon
becomes not ready. When it is open again, the daemon reads everything anew, because it cannot know what happened in
between. A slow sweep also checks what should be running, because an event may be lost and a shim may die silently
(containerd issues 5708, 8285, 10589).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

import structlog
from google.protobuf.message import DecodeError

from containerd_client import ContainerdError, call_options
from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from containerd_client.encoding.clean_text import parse_message
from containerd_client.encoding.timestamps import nanoseconds
from containerd_client.exits import exit_code
from cri_shim.disk.pod_directories import are_pinned, mark_exited
from cri_shim.kernel.executors import FS, run
from cri_shim.node import cri_plugin
from cri_shim.sync import lost_namespaces
from cri_shim.sync.exits import UNKNOWN_EXIT, UNKNOWN_EXIT_CODE
from cri_shim.sync.task_poll import Absent, NotKnown, poll_tasks
from untrusted import shorten

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from containerd_client import Containerd
    from containerd_client.api.containerd.types.types_pb2 import Envelope
    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.kernel import Kernel
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.sync.exits import Exits
    from cri_shim.sync.readiness import Readiness
    from cri_shim.sync.recovery import Recovery
    from cri_shim.sync.task_poll import PolledTask

SWEEP_EVERY = 60.0
"""Seconds between two sweeps. One sweep is one hop, during which containerd asks every shim."""
_TIDY_SECONDS = 10.0
_VERSION_SECONDS = 5.0
_LONGEST_WORDS = 512

_TASK_EXIT = "/tasks/exit"
_TASK_DELETE = "/tasks/delete"
_TASK_OOM = "/tasks/oom"
_IMAGES = "/images/"

log = structlog.get_logger(__name__)


class ImageReader(Protocol):
    """What keeps the images in memory true; :class:`~cri_shim.images.store.ImageStore` in the daemon."""

    @property
    def has_unread(self) -> bool:
        """Whether there are images that could not be read."""

    async def load_all(self) -> None:
        """Read every image record."""

    async def read_unread(self) -> None:
        """Read again what could not be read."""

    async def on_event(self, envelope: Envelope) -> None:
        """Process one event about an image."""


class Monitor:
    """Follows containerd's events for as long as the daemon lives."""

    def __init__(
        self,
        *,
        containerd: Containerd,
        kernel: Kernel,
        namespace: str,
        readiness: Readiness,
        recovery: Recovery,
        images: ImageReader,
        exits: Exits,
        sandboxes: Index[Sandbox],
        containers: Index[Container],
        supervisor: Supervisor,
        on_first_open: Callable[[], Awaitable[None]],
    ) -> None:
        """Set the monitor up; ``on_first_open`` cleans up after an earlier daemon, before the first request."""
        self._containerd = containerd
        self._kernel = kernel
        self._namespace = namespace
        self._readiness = readiness
        self._recovery = recovery
        self._images = images
        self._exits = exits
        self._sandboxes = sandboxes
        self._containers = containers
        self._supervisor = supervisor
        self._on_first_open: Callable[[], Awaitable[None]] | None = on_first_open
        self._image_events: asyncio.Queue[Envelope] = asyncio.Queue()

    def start(self) -> None:
        """Start in the background; :class:`Readiness` shows when everything has been read."""
        self._supervisor.forever("containerd-events", self._follow)
        self._supervisor.forever("image-events", self._follow_images)
        self._supervisor.forever("task-sweep", self._sweep)

    async def _follow(self) -> None:
        filters = [
            f'namespace=={self._namespace},topic=="{_TASK_EXIT}"',
            f'namespace=={self._namespace},topic=="{_TASK_DELETE}"',
            f'namespace=={self._namespace},topic=="{_TASK_OOM}"',
            f'namespace=={self._namespace},topic~="^{_IMAGES}"',
        ]
        try:
            async for envelope in self._containerd.events.forever(*filters, on_open=self._opened, on_lost=self._lost):
                self._dispatch(envelope)
        except Exception as error:
            # Until the supervisor starts this anew, nothing reports the end of a process.
            self._readiness.set_away(
                f"containerd's events cannot be followed: {shorten(str(error) or repr(error), _LONGEST_WORDS)}; "
                "pods keep running, see the log"
            )
            raise

    async def _opened(self) -> None:
        """Read everything now that the subscription stands, then answer requests.

        Each step has a time limit, and its name is shown while it runs. Only the steps whose results answer requests
        have to succeed.
        """
        self._readiness.set_step("reading pods and containers from containerd")
        await self._recovery.run()
        self._readiness.set_step("reading images from containerd")
        await self._images.load_all()
        self._supervisor.once("unread-images", self._images.read_unread())
        await self._tidy_up()
        self._readiness.set_step("asking containerd for its version")
        self._readiness.set_ready(await self._version())
        log.info("containerd.connected")
        self._supervisor.once("plugin-check", self._warn_of_plugin())

    async def _tidy_up(self) -> None:
        """Remove what an earlier daemon, or a request that lost containerd, has left behind; it only costs disk space.

        What cannot be removed waits for the next time.
        """
        await self._containerd.leases.drop_left()
        if self._on_first_open is None:
            return
        self._readiness.set_step("removing what an earlier daemon has left in containerd")
        try:
            with call_options(timeout=_TIDY_SECONDS):
                await self._on_first_open()
        except ContainerdError as error:
            log.warning("containerd.not_tidied", error=str(error))
        else:
            self._on_first_open = None

    async def _version(self) -> str:
        """Return containerd's version; empty when it does not answer in time, because nothing depends on it."""
        try:
            with call_options(timeout=_VERSION_SECONDS):
                return (await self._containerd.version.get()).version
        except ContainerdError as error:
            log.warning("containerd.version_unknown", error=str(error))
            return ""

    async def _warn_of_plugin(self) -> None:
        """Warn at each connect if containerd's own CRI plugin is on: each would take the other's pods for its own."""
        if self._namespace != cri_plugin.NAMESPACE:
            return
        try:
            plugins = await self._containerd.introspection.plugins(cri_plugin.FILTER)
        except ContainerdError as error:
            log.debug("containerd.plugins_unknown", error=str(error))
            return
        if cri_plugin.serves_pods(plugins):
            log.error(
                "containerd.plugin_is_on",
                namespace=self._namespace,
                remedy="add io.containerd.grpc.v1.cri to disabled_plugins in containerd's configuration",
            )

    def _lost(self, error: ContainerdError) -> None:
        if self._readiness.ready:
            log.warning("containerd.lost", error=str(error))
        self._readiness.set_away(f"containerd is away: {error}; pods keep running, try again later")

    def _dispatch(self, envelope: Envelope) -> None:
        """Start the work that an event calls for. Nothing here waits, so no event delays the next.

        Any client of containerd may publish events: one that cannot be parsed as an event of its topic is ignored.
        """
        try:
            self._take_up(envelope)
        except DecodeError as error:
            log.warning("containerd.event_unreadable", topic=envelope.topic, error=str(error))

    def _take_up(self, envelope: Envelope) -> None:
        if envelope.topic == _TASK_EXIT:
            exit_ = parse_message(events_pb2.TaskExit.FromString, envelope.event.value)
            if exit_.id == exit_.container_id:
                end = self._exits.ended(exit_.container_id, exit_code(exit_.exit_status), nanoseconds(exit_.exited_at))
                self._supervisor.once(f"exit/{exit_.id[:12]}", end)
        elif envelope.topic == _TASK_DELETE:
            # Usually the deletion is ours, after the exit. Of a task that containerd discarded, only this has the code.
            gone = parse_message(events_pb2.TaskDelete.FromString, envelope.event.value)
            container = self._containers.exact(gone.container_id)
            if container is not None and (container.running or container.unknown_reason):
                end = self._exits.ended(gone.container_id, exit_code(gone.exit_status), nanoseconds(gone.exited_at))
                self._supervisor.once(f"exit/{gone.container_id[:12]}", end)
        elif envelope.topic == _TASK_OOM:
            oom = parse_message(events_pb2.TaskOOM.FromString, envelope.event.value)
            self._exits.out_of_memory(oom.container_id)
        elif envelope.topic.startswith(_IMAGES):
            self._image_events.put_nowait(envelope)

    async def _follow_images(self) -> None:
        """Apply image changes one by one, because two changes of one image must take effect in their order."""
        while True:
            await self._images.on_event(await self._image_events.get())
            if self._images.has_unread:
                self._supervisor.once("unread-images", self._images.read_unread())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            if self._readiness.ready:
                await self._poll_for_lost_exits()

    async def _poll_for_lost_exits(self) -> None:
        await self._poll_for_lost_namespaces()
        should_run = {c.id: c for c in self._containers if c.running}
        pods = {s.id: s for s in self._sandboxes if s.ready and s.pid and not s.starting}
        if not should_run and not pods:
            return
        try:
            polled = await poll_tasks(self._containerd, [*should_run, *pods])
        except ContainerdError as error:
            log.debug("sweep.failed", error=str(error))
            return
        for id_, polled_task in polled.items():
            if self._containers.exact(id_) is should_run.get(id_) and self._sandboxes.exact(id_) is pods.get(id_):
                self._take_in(id_, polled_task)

    def _take_in(self, id_: str, polled: PolledTask) -> None:
        """Record an end that the sweep found, in the background, so that a hanging shim delays no other task."""
        if isinstance(polled, NotKnown):
            log.info("sweep.task_unknown", id=id_, reason=polled.reason)
        elif isinstance(polled, Absent):
            log.warning("sweep.task_gone", id=id_)
            gone = self._exits.ended(id_, UNKNOWN_EXIT_CODE, time.time_ns(), reason=UNKNOWN_EXIT)
            self._supervisor.once(f"exit/{id_[:12]}", gone)
        elif polled.status == task_types.STOPPED:
            log.warning("sweep.exit_found", id=id_, exit_code=polled.exit_status)
            end = self._exits.ended(id_, exit_code(polled.exit_status), nanoseconds(polled.exited_at))
            self._supervisor.once(f"exit/{id_[:12]}", end)

    async def _poll_for_lost_namespaces(self) -> None:
        """Check the files that hold the pods' namespaces, because no event reports that one was unmounted."""
        for sandbox in [sandbox for sandbox in self._sandboxes if sandbox.ready and sandbox.netns_path]:
            try:
                if sandbox.pinned is None:
                    lost_namespaces.poll(self._kernel, self._sandboxes, sandbox)
                elif not await run(FS, are_pinned, self._kernel, sandbox):
                    log.warning("sweep.namespaces_gone", sandbox_id=sandbox.id)
                    mark_exited(self._sandboxes, sandbox.id)
            except OSError as error:
                log.debug("sweep.failed", sandbox_id=sandbox.id, error=str(error))
