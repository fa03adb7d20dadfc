"""The pods' networks: load the configuration, report readiness, attach and detach sandboxes.

This does what go-cni and the network part of containerd's CRI plugin do (sandbox_run.go, sandbox_stop.go,
cni_conf_syncer.go, update_runtime_config.go), with three differences. A broken configuration file does not hide a good
one. A DEL uses the configuration that the ADD was made with. ``lo`` is brought up when the namespace is made, so no
loopback plugin runs. Operations on one sandbox do not overlap: the later one waits for the earlier.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from msgspec import Struct, structs

from cri_shim.errors import CriError
from cri_shim.kernel import executors
from cri_shim.kernel.protocol import is_namespace_file
from cri_shim.kernel.small_file import read_small_file
from cri_shim.kernel.write_file import write_file
from cri_shim.metered import metered
from cri_shim.network import invoke, result, template
from cri_shim.network.attachments import attachments_of, owed_attachments
from cri_shim.network.cache import Cached, NotStarted, Outcome, ResultCache
from cri_shim.network.capabilities import capability_args
from cri_shim.network.conflist import LARGEST, Loaded, directory_signature, load_directory, parse_conflist
from cri_shim.network.detach import Detacher, with_way_out
from cri_shim.network.errors import CniError, NetworkError, NetworkFileError, NetworkNotReadyError
from cri_shim.network.exec import Helper, PluginExec
from cri_shim.network.orphaned_programs import OrphanedPrograms
from cri_shim.network.watcher import DirectoryWatcher
from cri_shim.part_history import PartHistory
from untrusted import decode_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from cri_shim.kernel.protocol import Kernel
    from cri_shim.network.config import CniConfig
    from cri_shim.network.conflist import NetworkConf
    from cri_shim.network.invoke import Attachment
    from cri_shim.network.pod import PodNetwork
    from cri_shim.network.result import CniResult

_GENERATED: Final = "10-containerd-net.conflist"
_REMEMBERED: Final = 4096  # sandboxes known to be detached, so that repeated stops cost nothing
T = TypeVar("T")
_log = structlog.get_logger(__name__)


class NetworkStatus(Struct, frozen=True):
    """The CRI condition NetworkReady: with a CamelCase ``reason`` and a sentence if it does not hold."""

    ready: bool
    reason: str
    message: str
    networks: tuple[str, ...]


class Network:
    """The networks of one configuration directory."""

    def __init__(
        self,
        kernel: Kernel,
        config: CniConfig,
        *,
        on_helper: Callable[[Helper], None] | None = None,
        on_run: Callable[[str, str], None] | None = None,
    ) -> None:
        self._kernel = kernel
        self._config = config
        self._runner = PluginExec(config.bin_dirs, on_helper, on_run)
        self._cache = ResultCache(config.cache_dir)
        self._loaded = Loaded()
        self._signature: object = None
        self._read = False
        self._complaint = ""
        self._watcher = DirectoryWatcher(config.conf_dir, config.poll_interval)
        self._task: asyncio.Task[None] | None = None
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._orphaned_programs = OrphanedPrograms()
        self.history = PartHistory("its configuration has not been read yet")
        """Since when pods can get a network or cannot, and why they could not last."""

    def __repr__(self) -> str:
        """Name the networks in use."""
        return f"<Network {self._config.conf_dir} {', '.join(n.name for n in self._loaded.networks) or 'not ready'}>"

    async def start(self) -> None:
        """Load the configuration and keep watching it; look for plugins that a killed daemon has left at work.

        A directory without a configuration is fine.
        """
        self._orphaned_programs.set_limit(self._config.timeout)
        await executors.run(executors.FS, self._orphaned_programs.scan)
        await self.refresh()
        self._task = asyncio.create_task(self._watch(), name=f"cni-conf/{self._config.conf_dir}")

    def use(self, config: CniConfig) -> None:
        """Work with other settings from now on; what is under way keeps those that it began with.

        The directories of configurations and of results stay, because pods that are attached were recorded there.
        """
        self._config = structs.replace(config, conf_dir=self._config.conf_dir, cache_dir=self._config.cache_dir)
        self._runner.search(self._config.bin_dirs)
        self._signature = None  # another number of networks may be wanted of the same files
        self._watcher.poke()

    async def stop(self) -> None:
        """Stop watching.

        Pods keep their networks, and running plugins finish their work.
        """
        self._orphaned_programs.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    @property
    def networks(self) -> tuple[NetworkConf, ...]:
        """The networks that are loaded, in the order in which pods are attached to them."""
        return self._loaded.networks

    def status(self) -> NetworkStatus:
        """Return from memory whether pods can get a network; if they cannot, trigger a reload of the files at once."""
        status = self._noted_status()
        if not status.ready:
            self._watcher.poke()
        return status

    def _noted_status(self) -> NetworkStatus:
        networks = tuple(network.name for network in self._loaded.networks)
        if self.ready:
            self.history.note("")
            return NetworkStatus(True, "", "", networks)
        why = (
            self._complaint or "; ".join(self._loaded.problems) or f"no network config found in {self._config.conf_dir}"
        )
        self.history.note(why)
        return NetworkStatus(False, "NetworkPluginNotReady", f"network plugin is not ready: {why}", networks)

    async def refresh(self) -> None:
        """Load the configuration again if its files have changed.

        If something cannot be read because of the node (out of descriptors, say), it may well be as it was, so the
        known networks stay.
        """
        config = self._config
        directory = config.conf_dir
        signature = await executors.run(executors.FS, directory_signature, directory)
        if signature == self._signature and self._loaded.networks:
            return
        loaded = await executors.run(executors.FS, load_directory, directory, config.max_conf_num)
        if loaded.unread and self._loaded.networks:
            return
        if config is not self._config:  # replaced meanwhile; the watcher loads again
            return
        if loaded != self._loaded or not self._read:
            self._report(loaded)
        self._read = True
        self._signature, self._loaded = None if loaded.unread else signature, loaded
        self._noted_status()

    def _report(self, loaded: Loaded) -> None:
        if names := [network.name for network in loaded.networks]:
            _log.info("network.configuration_read", networks=names, problems=loaded.problems)
        else:
            _log.warning("network.no_configuration", directory=self._config.conf_dir, problems=loaded.problems)

    @property
    def ready(self) -> bool:
        """Whether pods can get a network, from memory."""
        return bool(self._loaded.networks) and not self._complaint

    async def setup(self, pod: PodNetwork) -> CniResult:
        """Attach a sandbox to all networks.

        The caller registers ``teardown`` as the undo beforehand, because this does not undo a failed attachment. When
        the caller is cancelled, the setup goes on to its end: a plugin killed in the middle of its work leaves things
        behind that no DEL can free.

        Raises ``NetworkNotReadyError`` without a configuration, ``NetworkError`` (with the plugin's message) when a
        plugin fails or exceeds the configured timeout, ``InvalidArgumentError`` for wrong bandwidth annotations.
        """
        return await self._to_its_end(pod.sandbox_id, self._setup(pod))

    async def teardown(self, pod: PodNetwork, stored: Mapping[str, Any] | None = None) -> None:
        """Detach a sandbox from its networks; a repetition, a half-done setup or a missing namespace is fine too.

        ``stored`` is the result of ``setup`` that the sandbox keeps, or None if it never got that far. The teardown
        begins when an earlier setup or teardown of the same sandbox has ended, and goes on when the caller is
        cancelled.

        Raises ``NetworkError`` when a plugin fails; what is not undone is remembered, so the caller can try again.
        """
        if pod.sandbox_id not in self._gone:
            await self._to_its_end(pod.sandbox_id, self._teardown(pod, stored))

    async def _to_its_end(self, sandbox_id: str, work: Coroutine[Any, Any, T]) -> T:
        before = self._running.get(sandbox_id)

        async def after() -> T:
            if before is not None:
                await asyncio.wait({before})
            return await work

        task = asyncio.create_task(metered(after()), name=f"cni/{sandbox_id}")
        self._running[sandbox_id] = task
        task.add_done_callback(partial(self._ended, sandbox_id))
        return await asyncio.shield(task)

    def _ended(self, sandbox_id: str, task: asyncio.Task[Any]) -> None:
        if self._running.get(sandbox_id) is task:
            del self._running[sandbox_id]
        if not task.cancelled():
            task.exception()  # retrieve it, since a caller that was cancelled does not

    async def _setup(self, pod: PodNetwork) -> CniResult:
        config = self._config
        try:
            if not self._loaded.networks:
                await self.refresh()
            networks = self._loaded.networks
            if not networks:
                raise NetworkNotReadyError(self.status().message)
            attachments = attachments_of(pod, networks, pod.netns_path, capability_args(pod))
        except CriError:
            self._remember_gone(pod.sandbox_id)  # it was never attached
            raise
        self._gone.pop(pod.sandbox_id, None)
        # The record of the intent is written while the first plugin runs. All plugins run to their end even if one
        # fails, because the undo must not meet a plugin that is still at work.
        intent = self._intend(attachments)
        chains = self._serially(attachments) if config.setup_serially else self._at_once(attachments)
        recorded, outcomes = await asyncio.gather(metered(intent), metered(chains), return_exceptions=True)
        if isinstance(outcomes, BaseException):
            raise outcomes
        failed = next((outcome for outcome in outcomes if isinstance(outcome, CniError)), None)
        if failed is not None:
            if not isinstance(recorded, BaseException):
                with suppress(NetworkError):  # the undo can do without, and the plugin's message matters more
                    await self._remember(list(zip(attachments, outcomes, strict=True)))
            raise failed
        if isinstance(recorded, BaseException):
            raise recorded
        await self._remember(list(zip(attachments, outcomes, strict=True)))
        results = [outcome for outcome in outcomes if isinstance(outcome, dict)]
        return result.combine(results, pod.netns_path, config.ip_pref)

    async def _teardown(self, pod: PodNetwork, stored: Mapping[str, Any] | None) -> None:
        if pod.sandbox_id in self._gone:
            return
        await self._orphaned_programs.ended(pod.sandbox_id)
        used = self._loaded
        try:
            await self._detach(pod, stored)
        except NetworkError:
            await self.refresh()
            if self._loaded is used:
                raise
            await self._detach(pod, stored)  # the configuration has just been repaired
        self._remember_gone(pod.sandbox_id)

    async def _detach(self, pod: PodNetwork, stored: Mapping[str, Any] | None) -> None:
        try:
            netns, cached = await executors.run(executors.FS, self._inspect, pod)
        except OSError as error:
            raise NetworkFileError(f"cannot find the networks of sandbox {pod.sandbox_id}", error) from error
        if not self._loaded.networks:
            await self.refresh()
        known = self._loaded.networks
        if stored and not cached and not known:
            raise NetworkError(
                f"cannot detach sandbox {pod.sandbox_id} from its network: there is no configuration in "
                f"{self._config.conf_dir} and no record of its ADD in {self._config.cache_dir}; "
                "put a network configuration in place"
            )
        detacher = Detacher(self._runner, known, self._config.timeout)
        failures: list[NetworkError] = []
        done = list(cached)
        for entry, owed in reversed(owed_attachments(pod, cached, known, netns, stored)):
            try:
                await detacher.detach(owed)
            except NetworkError as error:
                if entry is None:
                    failures.append(error)
                else:
                    failures.append(with_way_out(error, entry.network, known, str(self._cache.path_of(entry))))
                    done.remove(entry)
        if done:
            await executors.run(executors.FS, self._cache.forget, done)
        if failures:
            raise failures[0]

    def _remember_gone(self, sandbox_id: str) -> None:
        self._gone[sandbox_id] = None
        while len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)

    async def set_pod_cidr(self, cidr: str) -> None:
        """Write a configuration from the template for the kubelet's pod CIDR, unless one exists already.

        Raises ``InvalidArgumentError`` for a bad CIDR, ``NetworkError`` for a template that cannot be used.
        """
        if not cidr:
            return
        values = template.template_values(cidr)
        source = self._config.conf_template
        await self.refresh()
        if not source or self.status().ready:
            return

        def write() -> None:
            try:
                text = template.render(decode_utf8(read_small_file(source, LARGEST)), values)
                parse_conflist(text.encode())
                (directory := Path(self._config.conf_dir)).mkdir(mode=0o755, parents=True, exist_ok=True)
                temporary = directory / f".{_GENERATED}.tmp"
                write_file(temporary, text.encode())
                temporary.rename(directory / _GENERATED)
            except OSError as error:
                raise NetworkFileError(f"cni template {source}", error) from error
            except (ValueError, RecursionError) as error:
                raise NetworkError(f"cni template {source}: {error}") from error

        await executors.run(executors.FS, write)
        await self.refresh()

    async def _watch(self) -> None:
        with self._watcher:
            while True:
                try:
                    await self.refresh()
                    await self._ask_plugins()
                except Exception:  # noqa: BLE001 - a watcher that dies would leave the node with a stale configuration
                    _log.exception("network.configuration_not_read")
                await self._watcher.wait()

    async def _ask_plugins(self) -> None:
        """Run STATUS for the networks of version 1.1.0 and later."""
        complaints = [
            complaint
            for network in self._loaded.networks
            if (complaint := await invoke.status(self._runner, network, time_limit=self._config.poll_interval))
        ]
        self._complaint = "; ".join(complaints)
        self._noted_status()

    async def _at_once(self, attachments: list[Attachment]) -> list[Outcome]:
        return list(await asyncio.gather(*(metered(self._add(one)) for one in attachments)))

    async def _serially(self, attachments: list[Attachment]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for attachment in attachments:
            began = not any(isinstance(outcome, CniError) for outcome in outcomes)
            outcomes.append(await self._add(attachment) if began else NotStarted())
        return outcomes

    async def _add(self, attachment: Attachment) -> Outcome:
        try:
            return await invoke.add(self._runner, attachment, time_limit=self._config.timeout)
        except CniError as error:
            return error

    async def _intend(self, attachments: Sequence[Attachment]) -> None:
        """Record all attachments or none, because the undo would take a part of them for the whole."""
        try:
            await self._remember([(attachment, None) for attachment in attachments])
        except NetworkError:
            begun = [Cached(each.network.name, each.container_id, each.ifname) for each in attachments]
            await executors.run(executors.FS, self._cache.forget, begun)
            raise

    async def _remember(self, entries: Sequence[tuple[Attachment, Outcome | None]]) -> None:
        def write() -> None:
            for attachment, outcome in entries:
                self._cache.write(attachment, outcome)

        try:
            await executors.run(executors.FS, write)
        except OSError as error:
            raise NetworkFileError(
                f"cannot record the network of sandbox {entries[0][0].container_id}", error
            ) from error

    def _inspect(self, pod: PodNetwork) -> tuple[str, list[Cached]]:
        """Return the path of the namespace, empty if it is gone, and the cached attachments.

        Blocking.
        """
        alive = bool(pod.netns_path) and is_namespace_file(self._kernel, pod.netns_path)
        return pod.netns_path if alive else "", self._cache.find(pod.sandbox_id)
