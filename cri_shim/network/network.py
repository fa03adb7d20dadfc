"""The pods' networks: configuration, readiness, and taking sandboxes on and off.

What go-cni and the network part of containerd's CRI plugin do (sandbox_run.go, sandbox_stop.go, cni_conf_syncer.go,
update_runtime_config.go). Differences: a broken configuration file does not hide a good one; a DEL uses the
configuration that the ADD was made with; `lo` is brought up when the namespace is made, so no loopback plugin is run.
There is no lock: whoever calls sees to it that two operations on one sandbox do not overlap.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from cri_shim.kernel import executors
from cri_shim.kernel.protocol import is_namespace_file
from cri_shim.network import invoke, result, template
from cri_shim.network.cache import Cached, ResultCache
from cri_shim.network.capabilities import capability_args, cni_args
from cri_shim.network.conflist import Loaded, NetworkConf, directory_signature, load_directory, parse_conflist
from cri_shim.network.errors import NetworkError, NetworkNotReadyError
from cri_shim.network.exec import Helper, PluginExec
from cri_shim.network.invoke import Attachment
from cri_shim.network.watcher import DirectoryWatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cri_shim.kernel.protocol import Kernel
    from cri_shim.network.config import CniConfig
    from cri_shim.network.pod import PodNetwork
    from cri_shim.network.result import CniResult

_LOOPBACK: Final = "cni-loopback"  # the network that go-cni adds for `lo`
_GENERATED: Final = "10-containerd-net.conflist"
_REMEMBERED: Final = 4096  # sandboxes known to be off their networks, so that repeated stops cost nothing
_log = structlog.get_logger(__name__)


class NetworkStatus(Struct, frozen=True):
    """The CRI condition NetworkReady: with a CamelCase `reason` and a sentence when it does not hold."""

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
        self._complaint = ""
        self._watcher = DirectoryWatcher(config.conf_dir, config.poll_interval)
        self._task: asyncio.Task[None] | None = None
        self._gone: OrderedDict[str, None] = OrderedDict()

    def __repr__(self) -> str:
        """Name the networks in use."""
        return f"<Network {self._config.conf_dir} {', '.join(n.name for n in self._loaded.networks) or 'not ready'}>"

    async def start(self) -> None:
        """Load what is there (nothing is fine) and keep watching."""
        await self.refresh()
        self._task = asyncio.create_task(self._watch(), name=f"cni-conf/{self._config.conf_dir}")

    async def stop(self) -> None:
        """Stop watching. Pods keep their networks."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    def status(self) -> NetworkStatus:
        """Tell from memory whether pods can get a network; if not, the next look at the files happens at once."""
        networks = tuple(network.name for network in self._loaded.networks)
        if networks and not self._complaint:
            return NetworkStatus(True, "", "", networks)
        self._watcher.poke()
        why = (
            self._complaint or "; ".join(self._loaded.problems) or f"no network config found in {self._config.conf_dir}"
        )
        return NetworkStatus(False, "NetworkPluginNotReady", f"network plugin is not ready: {why}", networks)

    async def refresh(self) -> None:
        """Load the configuration again if its files have changed."""
        directory = self._config.conf_dir
        signature = await executors.run(executors.FS, directory_signature, directory)
        if signature == self._signature and self._loaded.networks:
            return
        loaded = await executors.run(executors.FS, load_directory, directory, self._config.max_conf_num)
        if loaded != self._loaded:
            _log.info("cni configuration", networks=[n.name for n in loaded.networks], problems=loaded.problems)
        self._signature, self._loaded = signature, loaded

    async def setup(self, pod: PodNetwork) -> CniResult:
        """Attach a sandbox to all networks. Push the `teardown` before: a failed attachment is not undone here.

        Raises `NetworkNotReadyError` without a configuration, `NetworkError` (with the plugin's words) when a plugin
        fails or takes longer than the configured timeout, `InvalidArgumentError` for wrong bandwidth annotations.
        """
        if not self._loaded.networks:
            await self.refresh()
        networks = self._loaded.networks
        if not networks:
            raise NetworkNotReadyError(self.status().message)
        attachments = self._attachments(pod, networks, pod.netns_path, capability_args(pod))
        self._gone.pop(pod.sandbox_id, None)
        # The record of the intent is written while the first plugin runs. All run to their end even if one fails:
        # what is undone afterwards must not be at work any more.
        intent = self._remember([(attachment, None) for attachment in attachments])
        chains = [self._serially(attachments)] if self._config.setup_serially else [*map(self._add, attachments)]
        recorded, *outcomes = await asyncio.gather(intent, *chains, return_exceptions=True)
        results: list[dict[str, Any]] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            results.extend(outcome)
        if isinstance(recorded, BaseException):
            raise recorded
        await self._remember(list(zip(attachments, results, strict=True)))
        return result.combine(results, pod.netns_path, self._config.ip_pref)

    async def teardown(self, pod: PodNetwork, stored: Mapping[str, Any] | None = None) -> None:
        """Take a sandbox off its networks; done twice, for a half-done setup or without a namespace it is fine too.

        `stored` is what `setup` returned and the sandbox kept, or None if it never got that far.
        Raises `NetworkError` when a plugin fails; nothing is forgotten then, and it can be called again.
        """
        if pod.sandbox_id in self._gone:
            return
        netns, cached = await executors.run(executors.FS, self._look, pod)
        if not cached and not self._loaded.networks:
            await self.refresh()
        known = self._loaded.networks
        if stored and not cached and not known:
            raise NetworkError(
                f"cannot take sandbox {pod.sandbox_id} off its network: there is no configuration in "
                f"{self._config.conf_dir} and no record of its ADD in {self._config.cache_dir}"
            )
        values = capability_args(pod, lenient=True)
        cached_interfaces = {entry.ifname for entry in cached}
        for entry in reversed(cached):
            if entry.network != _LOOPBACK:
                attachment = self._cached_attachment(pod, entry, netns, values)
                await invoke.delete(self._runner, attachment, entry.result, time_limit=self._config.timeout)
        for attachment in reversed(self._attachments(pod, known, netns, values)):
            if attachment.ifname not in cached_interfaces:
                await invoke.delete(self._runner, attachment, None, time_limit=self._config.timeout)
        await executors.run(executors.FS, self._cache.forget, pod.sandbox_id)
        self._gone[pod.sandbox_id] = None
        while len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)

    async def set_pod_cidr(self, cidr: str) -> None:
        """Write a configuration from the template for the kubelet's pod CIDR, unless there is one already.

        Raises `InvalidArgumentError` for a bad CIDR, `NetworkError` for a template that cannot be used.
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
                text = template.render(Path(source).read_text(), values)
                parse_conflist(text.encode())
            except (OSError, ValueError) as error:
                raise NetworkError(f"cni template {source}: {error}") from error
            directory = Path(self._config.conf_dir)
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            temporary = directory / f".{_GENERATED}.tmp"
            temporary.write_text(text)
            temporary.rename(directory / _GENERATED)

        await executors.run(executors.FS, write)
        await self.refresh()

    async def _watch(self) -> None:
        with self._watcher:
            while True:
                try:
                    await self.refresh()
                    await self._ask_plugins()
                except Exception:  # noqa: BLE001 - a watcher that dies would leave the node with old news
                    _log.exception("cni configuration cannot be read")
                await self._watcher.wait()

    async def _ask_plugins(self) -> None:
        """Run STATUS for networks of version 1.1.0 and later."""
        complaints = [
            complaint
            for network in self._loaded.networks
            if (complaint := await invoke.status(self._runner, network, time_limit=self._config.poll_interval))
        ]
        self._complaint = "; ".join(complaints)

    def _attachments(
        self, pod: PodNetwork, networks: tuple[NetworkConf, ...], netns: str, values: Mapping[str, Any]
    ) -> list[Attachment]:
        args = cni_args(pod)
        return [
            Attachment(network, pod.sandbox_id, f"eth{index}", netns, args, values)
            for index, network in enumerate(networks)
        ]

    async def _add(self, attachment: Attachment) -> list[dict[str, Any]]:
        return [await invoke.add(self._runner, attachment, time_limit=self._config.timeout)]

    async def _serially(self, attachments: list[Attachment]) -> list[dict[str, Any]]:
        return [result for attachment in attachments for result in await self._add(attachment)]

    async def _remember(self, entries: list[tuple[Attachment, dict[str, Any] | None]]) -> None:
        def write() -> None:
            for attachment, outcome in entries:
                self._cache.write(attachment, outcome)

        try:
            await executors.run(executors.FS, write)
        except OSError as error:
            raise NetworkError(f"cannot record the network of sandbox {entries[0][0].container_id}: {error}") from error

    def _look(self, pod: PodNetwork) -> tuple[str, list[Cached]]:
        """Return the namespace, empty if it is gone, and what the cache remembers. Blocking."""
        alive = bool(pod.netns_path) and is_namespace_file(self._kernel, pod.netns_path)
        return pod.netns_path if alive else "", self._cache.find(pod.sandbox_id)

    def _cached_attachment(self, pod: PodNetwork, entry: Cached, netns: str, values: Mapping[str, Any]) -> Attachment:
        """Rebuild an attachment from the cache; its configuration may have vanished from the directory since."""
        network: NetworkConf | None = None
        with suppress(ValueError):
            network = parse_conflist(entry.source)
        if network is None:
            network = next((known for known in self._loaded.networks if known.name == entry.network), None)
        if network is None:
            raise NetworkError(f"no configuration of network {entry.network} is left to take {pod.sandbox_id} off it")
        capabilities = {**values, **entry.capability_args}
        return Attachment(
            replace(network, name=entry.network),
            entry.container_id,
            entry.ifname,
            netns,
            entry.args or cni_args(pod),
            capabilities,
        )
