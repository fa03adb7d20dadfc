"""Take a sandbox through the plugin chain of one network: ADD in order, DEL in reverse, STATUS.

Source: the CNI specification, "Execution of network configurations" and "Derivation of execution configuration". The
chain stops at the first plugin that fails, and the caller undoes an ADD by :mod:`cri_shim.network.detach`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from cri_shim.network.errors import CniError, NotBegunError
from cri_shim.network.plugin_result import parse_result
from untrusted import DocumentError, decode_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.network.conflist import NetworkConf, Plugin
    from cri_shim.network.exec import PluginExec

_UNKNOWN_CONTAINER: Final = 3  # CNI error code: the plugin does not know the container, so nothing is left to delete


class Attachment(Struct, frozen=True):
    """One sandbox on one network: the values that are the same for all plugins of the chain."""

    network: NetworkConf
    container_id: str
    ifname: str
    netns: str  # empty when the namespace is gone (DEL only)
    args: tuple[tuple[str, str], ...] = ()
    capability_args: Mapping[str, Any] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        """Return the CNI_* variables that identify the sandbox."""
        return {
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": self.ifname,
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in self.args),
        }


def execution_conf(
    network: NetworkConf,
    plugin: Plugin,
    capability_args: Mapping[str, Any],
    prev_result: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Derive the configuration that one plugin reads on stdin from the network's configuration."""
    conf = {**plugin.conf, "name": network.name, "cniVersion": network.cni_version}
    if prev_result is not None:
        conf["prevResult"] = prev_result
    values = {name: value for name, value in capability_args.items() if name in plugin.capabilities}
    if values:
        conf["runtimeConfig"] = values
    return conf


async def add(runner: PluginExec, attachment: Attachment, *, time_limit: float) -> dict[str, Any]:
    """Run the ADDs of the chain within ``time_limit`` seconds; return the last result as libcni passes it on.

    Raises ``CniError``, whose ``plugins_begun`` says how many plugins have run; the caller has to undo what they have
    done.
    """
    network, deadline = attachment.network, now() + time_limit
    variables = attachment.variables()
    result: dict[str, Any] | None = None
    for number, plugin in enumerate(network.plugins):
        conf = execution_conf(network, plugin, attachment.capability_args, result)
        try:
            time_left = _time_left(plugin, "ADD", deadline - now())
            stdout = await runner.run(plugin.type, "ADD", variables, conf, time_limit=time_left)
            result = _result(plugin.type, stdout, network.cni_version)
        except CniError as error:
            error.plugins_begun = number if isinstance(error, NotBegunError) else number + 1
            raise
    return result or {}


async def delete_one(
    runner: PluginExec, attachment: Attachment, plugin: Plugin, prev_result: Mapping[str, Any] | None, time_left: float
) -> None:
    """Run the DEL of one plugin of the chain; an attachment that is gone already is fine.

    Raises ``CniError``.
    """
    network = attachment.network
    if not network.at_least(0, 4, 0):
        prev_result = None  # earlier versions do not have prevResult in a DEL
    conf = execution_conf(network, plugin, attachment.capability_args, prev_result)
    time_left = _time_left(plugin, "DEL", time_left)
    try:
        await runner.run(plugin.type, "DEL", attachment.variables(), conf, time_limit=time_left)
    except CniError as error:
        if error.cni_code == _UNKNOWN_CONTAINER:
            return
        # The specification asks a DEL without a namespace to do what it can, but some plugins fail without one.
        # That is fine (go-cni has the same exception): what was inside the namespace has gone with it.
        if not attachment.netns and "no such file or directory" in error.said:
            return
        raise


async def status(runner: PluginExec, network: NetworkConf, *, time_limit: float) -> str:
    """Ask a network's plugins whether they can serve an ADD; return the first complaint, or an empty text.

    The command exists from 1.1.0 on; networks of earlier versions always count as ready.
    """
    if not network.at_least(1, 1, 0):
        return ""
    for plugin in network.plugins:
        try:
            await runner.run(plugin.type, "STATUS", {}, execution_conf(network, plugin, {}), time_limit=time_limit)
        except CniError as error:
            return str(error)
    return ""


def _time_left(plugin: Plugin, command: str, seconds: float) -> float:
    """Return the time that a plugin has, in seconds.

    Raises ``NotBegunError`` if none is left, because the plugin would be killed in the middle of its work.
    """
    if seconds <= 0:
        raise NotBegunError(plugin.type, command, "not begun, the plugins before it used up the time limit")
    return seconds


def _result(plugin: str, stdout: bytes, cni_version: str) -> dict[str, Any]:
    try:
        return parse_result(stdout, cni_version)
    except DocumentError as error:
        text = decode_utf8(stdout[:200]).strip()
        raise CniError(plugin, "ADD", f"its result is not valid: {error}: {text or 'nothing'}") from None


def now() -> float:
    """Return the time of the clock that the limits here use, in seconds."""
    return asyncio.get_running_loop().time()
