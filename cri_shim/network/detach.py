"""Detach a sandbox from one network by what its ADD was made with, as far as that is still possible.

The DEL uses the configuration of the ADD and runs its plugins in reverse order. When a plugin fails or hangs, the DEL
fails, and an administrator can repair the cause. A cause that can never go away must not keep a pod for ever, so there
are exceptions. Each logs a warning that names what may be left on the node:

* A plugin that the failed ADD did not reach has made nothing, and is not run.
* A plugin whose program does not exist is skipped if today's configuration is valid and does not name it either, or if
  there is no configuration any more and the ADD never succeeded. The plugin that assigned its addresses runs in its
  place, and then the plugins that this network has today. The same holds for a program that a plugin runs, such as
  that of ``ipam``, when the plugin itself reports that it does not exist.
* An attachment whose cache entry cannot be read, of a network that is not configured any more, is forgotten if other
  networks are configured.
* A value of the pod that a plugin refuses (a host port without a container port, a name with a semicolon) is left out
  in a second try, if the plugin refused the ADD with the same message, or if it refuses the DEL twice and nothing is
  known of the ADD.
* If a plugin fails and the configuration of this network has changed since the ADD, the rest of the old chain runs all
  the same, and then the DEL is tried with today's configuration, the only one that containerd's own plugin ever uses.
  The same happens where the old configuration cannot be parsed, or has a version too old for the plugin.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from cri_shim.network.errors import CniError, NetworkError, ProgramMissingError
from cri_shim.network.invoke import Attachment, delete_one, now
from cri_shim.network.plugin_result import as_version
from untrusted import escaped, shorten

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cri_shim.network.conflist import NetworkConf, Plugin
    from cri_shim.network.exec import PluginExec

    _Delete = Callable[[Plugin, Attachment], Awaitable[None]]

_PAUSE: Final = 1.0  # seconds before a DEL is tried again
_NOT_THE_PODS: Final = frozenset({"IgnoreUnknown", "K8S_POD_INFRA_CONTAINER_ID"})  # of CNI_ARGS
_NEVER: Final = frozenset({1, 2, 7})  # CNI error codes: version, field or configuration that the plugin does not accept
_UNREADABLE: Final = "the record of its ADD cannot be read"
_DELEGATE_MISSING: Final = re.compile(r'failed to find plugin "([^"]+)" in path')  # libcni pkg/invoke/find.go

log = structlog.get_logger(__name__)


class Owed(Struct, frozen=True):
    """One attachment that has to be undone."""

    container_id: str
    network: str
    ifname: str
    by_add: Attachment | None
    """The attachment as the ADD made it; None where that is not known or cannot be read."""
    by_today: Attachment | None
    """The attachment by today's configuration of this network, or else of this interface."""
    result: Mapping[str, Any] | None = None
    """The result of the ADD, as far as it is known."""
    succeeded: bool = False
    """Whether the ADD is known to have succeeded."""
    begun: int | None = None
    """For an ADD that is known to have failed: how many plugins of the chain have run."""
    refusal: str = ""
    """For an ADD that is known to have failed: the error message of the last plugin that ran."""
    lost: bool = False
    """Whether there was a record of the ADD, which is gone."""
    addresses: tuple[str, ...] = ()
    """The addresses of the interface as the sandbox has stored them."""


class Detacher:
    """Undoes attachments with the plugins that exist; ``known`` are the networks configured today."""

    def __init__(self, runner: PluginExec, known: Sequence[NetworkConf], time_limit: float) -> None:
        self._runner = runner
        self._known = known
        self._time_limit = time_limit

    async def detach(self, owed: Owed) -> None:
        """Undo one attachment.

        Raises ``NetworkError`` if a later try may succeed.
        """
        if owed.by_add is None:
            await self._without_record(owed)
            return
        failures: list[CniError] = []

        def passed_over(error: CniError) -> bool:
            if not self._may_use_today(owed, error):
                return False
            failures.append(error)
            return True

        gone = await self._chain(owed, owed.by_add, owed.result, begun=owed.begun, passed_over=passed_over)
        if failures:
            await self._by_today(owed, failures)
        elif gone and owed.by_today is not None and owed.by_today.network.name == owed.network:
            # The network has other plugins now, which may know how to free what the missing ones made.
            await self._chain(owed, owed.by_today, owed.result, begun=None)

    async def _without_record(self, owed: Owed) -> None:
        if owed.by_today is not None:
            await self._chain(owed, owed.by_today, owed.result, begun=None)
            today = owed.by_today.network.name
            if owed.lost:
                self._left(owed, "", f"the record of its ADD is lost, and network {today} was asked in its place")
            elif today != owed.network:
                self._left(owed, "", f"{_UNREADABLE}, and network {today} was asked in its place")
        elif owed.succeeded and not self._known:
            raise NetworkError(
                f"cannot detach sandbox {owed.container_id} from network {owed.network}: {_UNREADABLE}, "
                "and no network is configured; put a network configuration in place"
            )
        else:
            self._left(owed, "", f"{_UNREADABLE}, and no such network is configured")

    async def _chain(
        self,
        owed: Owed,
        attachment: Attachment,
        result: Mapping[str, Any] | None,
        *,
        begun: int | None,
        passed_over: Callable[[CniError], bool] = lambda _: False,
    ) -> bool:
        """Run the DELs that are owed with one configuration, last plugin first.

        Return True if a program is missing and was skipped. ``passed_over`` decides whether the chain goes on after a
        plugin that has failed.
        """
        deadline = now() + self._time_limit
        prev_result = as_version(result, attachment.network.cni_version)

        async def delete(plugin: Plugin, by: Attachment) -> None:
            await delete_one(self._runner, by, plugin, prev_result, deadline - now())

        chain = attachment.network.plugins if begun is None else attachment.network.plugins[:begun]
        gone = False
        for number, plugin in reversed(list(enumerate(chain))):
            try:
                gone = await self._one(owed, attachment, plugin, delete, number=number) or gone
            except CniError as error:
                if not passed_over(error):
                    raise
                deadline = now() + self._time_limit  # a plugin that hung must not take the time of the others
        return gone

    async def _one(self, owed: Owed, attachment: Attachment, plugin: Plugin, delete: _Delete, *, number: int) -> bool:
        """Run the DEL of one plugin; return True if a program is missing and was skipped. Raises ``CniError``."""
        try:
            await delete(plugin, attachment)
        except CniError as error:
            missing = _missing_program(plugin, error)
            if missing and self._is_given_up(owed, missing):
                await self._without_program(attachment, plugin, missing, delete)
                self._left(owed, plugin.type, str(error))
                return True
            if isinstance(error, ProgramMissingError):
                raise
            if "not found" in error.said:
                # go-cni reads this as "deleted already" and ignores it.
                self._left(owed, plugin.type, str(error))
            elif _may_be_refused(owed, attachment, plugin, number, error):
                await self._without_pod_arguments(owed, attachment, plugin, delete, error)
            else:
                raise
        return False

    async def _without_pod_arguments(
        self, owed: Owed, attachment: Attachment, plugin: Plugin, delete: _Delete, refusal: CniError
    ) -> None:
        """Repeat a refused DEL without the values that the pod asked of this plugin.

        Raises ``CniError``.
        """
        own = tuple((key, value) for key, value in attachment.args if key in _NOT_THE_PODS)
        tries = [replace(attachment, capability_args={}, args=own)]
        if owed.begun is None:
            await asyncio.sleep(_PAUSE)
            tries.insert(0, attachment)
        for changed in tries:
            try:
                await delete(plugin, changed)
            except CniError as error:
                if changed is not attachment or error.said != refusal.said:
                    raise
            else:
                break
        self._left(owed, plugin.type, str(refusal))

    async def _without_program(self, attachment: Attachment, plugin: Plugin, missing: str, delete: _Delete) -> None:
        """Undo what is possible of a plugin of which the program ``missing`` does not exist.

        Without its own program, the plugin that assigned its addresses releases them. Without the program that assigned
        the addresses, the plugin undoes the rest.
        """
        if missing == plugin.type:
            rest = replace(plugin, type=plugin.address_plugin)
        else:
            rest = replace(plugin, conf={key: value for key, value in plugin.conf.items() if key != "ipam"})
        if not rest.type or rest == plugin:
            return
        try:
            await delete(rest, attachment)
        except CniError as error:
            log.warning("network.addresses_not_freed", sandbox_id=attachment.container_id, error=str(error))

    def _is_given_up(self, owed: Owed, program: str) -> bool:
        if not self._known:
            return not owed.succeeded
        return not any(plugin.names(program) for network in self._known for plugin in network.plugins)

    def _may_use_today(self, owed: Owed, error: CniError) -> bool:
        if owed.by_add is None or owed.by_today is None or isinstance(error, ProgramMissingError):
            return False
        old, today = owed.by_add.network, owed.by_today.network
        if (old.name, old.plugins) == (today.name, today.plugins) and old.cni_version == today.cni_version:
            return False
        return not owed.succeeded or old.name == today.name or error.cni_code in _NEVER

    async def _by_today(self, owed: Owed, failures: Sequence[CniError]) -> None:
        if owed.by_today is not None:
            try:
                await self._chain(owed, owed.by_today, owed.result, begun=None)
            except CniError as again:
                raise again from failures[0]
        for error in failures:
            self._left(owed, error.plugin, str(error))

    def _left(self, owed: Owed, plugin: str, reason: str) -> None:
        """Log what may be left on the node."""
        values = {} if owed.by_add is None else owed.by_add.capability_args
        ports = values.get("portMappings")
        log.warning(
            "network.left_behind",
            sandbox_id=owed.container_id,
            network=owed.network,
            interface=owed.ifname,
            plugin=plugin,
            addresses=_addresses_of(owed.result) or list(owed.addresses),
            host_ports=[port.get("hostPort") for port in ports if isinstance(port, dict)] if ports else [],
            reason=shorten(reason, 1024),
        )


def with_way_out(error: NetworkError, network: str, known: Sequence[NetworkConf], record: str) -> NetworkError:
    """Add to the error of a network that is not configured any more what an administrator can do about it.

    ``record`` is the path of the cache entry.
    """
    if not known or any(each.name == network for each in known):
        return error
    said = NetworkError(
        f"{error}; network {escaped(network)} is not configured any more: repair what fails, or delete "
        f"{escaped(record)} to detach the sandbox by today's configuration"
    )
    said.code = error.code
    return said


def _addresses_of(result: Mapping[str, Any] | None) -> list[str]:
    if result is None:
        return []
    old = [family["ip"] for name in ("ip4", "ip6") if (family := result.get(name))]
    return [*old, *(address["address"] for address in result.get("ips", ()))]


def _missing_program(plugin: Plugin, error: CniError) -> str:
    """Return the program that the DEL of a plugin failed for, its own or one that it runs; empty for other failures."""
    if isinstance(error, ProgramMissingError):
        return plugin.type
    said = _DELEGATE_MISSING.search(error.said)
    return said[1] if said is not None and plugin.names(said[1]) else ""


def _may_be_refused(owed: Owed, attachment: Attachment, plugin: Plugin, number: int, error: CniError) -> bool:
    """Return whether a plugin may have refused what the pod asks of it before it changed anything."""
    odd = any(character in value for _, value in attachment.args for character in ";\0")
    if owed.succeeded or not (odd or plugin.capabilities & attachment.capability_args.keys()):
        return False
    return owed.begun is None or (number == owed.begun - 1 and error.said == owed.refusal)
