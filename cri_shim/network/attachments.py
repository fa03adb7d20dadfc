"""Decide which attachments a sandbox gets, and which of them have to be undone later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from cri_shim.network.capabilities import capability_args, cni_args
from cri_shim.network.conflist import ConfError, NetworkConf, parse_conflist
from cri_shim.network.detach import Owed
from cri_shim.network.invoke import Attachment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cri_shim.network.cache import Cached
    from cri_shim.network.pod import PodNetwork

_LOOPBACK: Final = "cni-loopback"  # the network that go-cni adds for `lo`


def attachments_of(
    pod: PodNetwork, networks: Sequence[NetworkConf], netns: str, values: Mapping[str, Any]
) -> list[Attachment]:
    """Return one attachment for each network, on interfaces eth0, eth1 and so on."""
    args = cni_args(pod)
    return [
        Attachment(network, pod.sandbox_id, f"eth{index}", netns, args, values)
        for index, network in enumerate(networks)
    ]


def owed_attachments(
    pod: PodNetwork,
    cached: Sequence[Cached],
    known: Sequence[NetworkConf],
    netns: str,
    stored: Mapping[str, Any] | None,
) -> list[tuple[Cached | None, Owed]]:
    """Return the attachments of a sandbox to undo, each with its cache entry, or None if the cache has none.

    ``known`` are the networks configured today. ``stored`` is the result that the sandbox has if its ADD succeeded.
    Where the cache entry of one of the interfaces in it is lost, the network that uses this interface today takes its
    place. A namespace that still exists shows that the sandbox was not detached before, so a record of the ADD must
    have existed.
    """
    succeeded = bool(stored)
    interfaces = (stored or {}).get("Interfaces")
    had: Mapping[str, Any] = interfaces if isinstance(interfaces, dict) else {}
    values = capability_args(pod, lenient=True)
    today = attachments_of(pod, known, netns, values)
    if cached:
        recorded = {entry.ifname for entry in cached}
        unrecorded = [each for each in today if each.ifname in had and each.ifname not in recorded]
    else:
        unrecorded = today
    owed = [
        *(
            (entry, _recorded(pod, entry, today, netns, values, succeeded=succeeded))
            for entry in cached
            if entry.network != _LOOPBACK
        ),
        *(
            (None, _unrecorded(each, succeeded=succeeded, lost=bool(netns) and each.ifname in had))
            for each in unrecorded
        ),
    ]
    return [(entry, replace(each, addresses=_stored_addresses(had.get(each.ifname)))) for entry, each in owed]


def _stored_addresses(interface: object) -> tuple[str, ...]:
    """Return the addresses of an interface in the sandbox's result, as far as they can be read."""
    configs = interface.get("IPConfigs") if isinstance(interface, dict) else None
    addresses = [each.get("IP") for each in configs if isinstance(each, dict)] if isinstance(configs, list) else []
    return tuple(address for address in addresses if isinstance(address, str))


def _unrecorded(attachment: Attachment, *, succeeded: bool, lost: bool) -> Owed:
    container_id, network, ifname = attachment.container_id, attachment.network.name, attachment.ifname
    return Owed(container_id, network, ifname, None, attachment, succeeded=succeeded, lost=lost)


def _recorded(
    pod: PodNetwork,
    entry: Cached,
    today: Sequence[Attachment],
    netns: str,
    values: Mapping[str, Any],
    *,
    succeeded: bool,
) -> Owed:
    capabilities = {**values, **entry.capability_args}
    args = entry.args or cni_args(pod)
    by_add = None
    try:
        network = replace(parse_conflist(entry.source), name=entry.network)
        by_add = Attachment(network, entry.container_id, entry.ifname, netns, args, capabilities)
    except ConfError:
        pass  # the entry is damaged, or was written when more configurations were accepted
    same = [each for each in today if each.network.name == entry.network]
    here = same or [each for each in today if each.ifname == entry.ifname]
    by_today = replace(here[0], ifname=entry.ifname, args=args, capability_args=capabilities) if here else None
    return Owed(
        entry.container_id,
        entry.network,
        entry.ifname,
        by_add,
        by_today,
        result=entry.result,
        succeeded=succeeded or entry.result is not None,
        # A damaged entry may say both; then more was made than it says.
        begun=None if succeeded or entry.result is not None else entry.begun,
        refusal=entry.refusal,
    )
