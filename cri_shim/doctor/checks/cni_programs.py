"""The programs that the networks in use need: CNI plugins, and iptables or nft behind them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import number_of, text_of
from cri_shim.doctor.facts.place import quoted
from cri_shim.doctor.facts.programs import Searched, search
from cri_shim.kernel.process import run_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place
    from cri_shim.network.conflist import NetworkConf, Plugin

MISSING = Code(
    "cni-program-missing", "error", "the program of a CNI plugin is missing", "each CNI plugin has its program"
)
NOT_EXECUTABLE = Code(
    "cni-program-not-executable",
    "error",
    "the program of a CNI plugin cannot be executed",
    "the programs of CNI plugins can be executed",
)
NO_IPTABLES = Code(
    "iptables-missing",
    "error",
    "a network needs iptables or nft, which is missing",
    "no network lacks the program of the packet filter",
)
TWO_BACKENDS = Code(
    "iptables-backends-mixed",
    "warning",
    "rules are in both packet filters, iptables-legacy and nft",
    "rules are in one packet filter",
)
NO_FORWARDING = Code(
    "ip-forward-off", "warning", "the node does not forward packets of pods", "the node forwards packets of pods"
)
NO_BRIDGE_FILTER = Code(
    "bridge-netfilter-off",
    "warning",
    "packets on a bridge bypass iptables, so services do not work between pods of a node",
    "no network has a bridge that iptables does not see",
)
CODES: Final = (MISSING, NOT_EXECUTABLE, NO_IPTABLES, TWO_BACKENDS, NO_FORWARDING, NO_BRIDGE_FILTER)

_SECONDS: Final = 5.0
_NO_RULES: Final = frozenset({"firewalld"})


class PacketFilter(Struct, frozen=True):
    """The packet filter: where its programs are, what ``iptables --version`` prints, and the kernel's settings.

    A setting is None if the kernel has no such setting. ``legacy_rules`` is None if only root may know.
    """

    iptables: Searched
    nft: Searched
    version: str = ""
    legacy_rules: bool | None = None
    ip_forward: int | None = None
    bridge_filter: int | None = None


def read_plugins(networks: Sequence[NetworkConf], directories: Sequence[str], place: Place) -> dict[str, Searched]:
    """Search the programs of all plugins, by type. Blocks."""
    types = {
        kind for network in networks for plugin in network.plugins for kind in (plugin.type, plugin.address_plugin)
    }
    return {kind: search(kind, directories, place) for kind in sorted(types - {""})}


def judge_plugins(
    networks: Sequence[NetworkConf], programs: Mapping[str, Searched], directories: Sequence[str], place: Place
) -> Iterator[Outcome]:
    """Report each plugin whose program is missing or cannot be executed, with the networks that need it."""
    where = ", ".join(directories)
    for kind, searched in programs.items():
        if searched.path:
            continue
        users = [n.name for n in networks if any(kind in {p.type, p.address_plugin} for p in n.plugins)]
        named = f"plugin {kind} of the network {', '.join(users)}"
        if searched.forbidden:
            yield NOT_EXECUTABLE.unknown(f"{named} cannot be looked at: {searched.obstacle}", place.sudo())
        elif searched.obstacle:
            path = f"{directories[0]}/{kind}" if len(directories) == 1 else searched.obstacle.partition(" ")[0]
            yield NOT_EXECUTABLE.report(f"{named}: {searched.obstacle}", f"$ chmod 755 {quoted(path.rstrip(':'))}")
        else:
            yield MISSING.report(
                f"{named}: there is no such program in {where}",
                "$ apt install containernetworking-plugins",
                "or copy the add-on's program there, or add its directory to cni.bin_dirs in the configuration",
            )


async def read_filter(place: Place, path: Sequence[str]) -> PacketFilter:
    """Read the packet filter; ``path`` are the directories where the daemon's plugins search programs."""
    iptables = search("iptables", path, place)
    version = ""
    if iptables.path:
        try:
            done = await run_program([iptables.path, "--version"], os.environ, b"", time_limit=_SECONDS)
            version = done.stdout.decode(errors="replace").strip()
        except (OSError, TimeoutError):
            version = ""
    try:
        tables = text_of(place.proc / "net/ip_tables_names")
        legacy: bool | None = bool((tables or "").strip())
    except OSError:
        legacy = None
    sysctl = place.proc / "sys/net"
    return PacketFilter(
        iptables,
        search("nft", path, place),
        version,
        legacy,
        number_of(sysctl / "ipv4/ip_forward"),
        number_of(sysctl / "bridge/bridge-nf-call-iptables"),
    )


def filter_of(plugin: Plugin) -> str:
    """Return the program by which a plugin of the CNI project writes its rules: iptables, nft, or none."""
    conf = plugin.conf
    if plugin.type in {"portmap", "firewall"} and conf.get("backend") not in _NO_RULES:
        return "nft" if conf.get("backend") == "nftables" else "iptables"
    if conf.get("ipMasq") is True:
        return "nft" if conf.get("ipMasqBackend") == "nftables" else "iptables"
    return ""


def judge_filter(networks: Sequence[NetworkConf], packet_filter: PacketFilter) -> Iterator[Outcome]:
    """Judge the packet filter by what the networks in use need of it."""
    plugins = [plugin for network in networks for plugin in network.plugins]
    for name, package, searched in (
        ("iptables", "iptables", packet_filter.iptables),
        ("nft", "nftables", packet_filter.nft),
    ):
        users = sorted({plugin.type for plugin in plugins if filter_of(plugin) == name})
        if users and not searched.path:
            yield NO_IPTABLES.report(
                f"the plugin {', '.join(users)} needs {name}: {searched.obstacle or 'it is not on PATH'}",
                f"$ apt install {package}",
            )
        elif searched.path and name == "iptables":
            yield NO_IPTABLES.fine(f"{searched.path} is {packet_filter.version or 'of an unknown version'}")
    if "nf_tables" in packet_filter.version:
        if packet_filter.legacy_rules is None:
            yield TWO_BACKENDS.not_made("only root sees the tables of iptables-legacy")
        elif packet_filter.legacy_rules:
            yield TWO_BACKENDS.report(
                "iptables writes to nft, and iptables-legacy has tables too: the kernel applies the rules of both",
                "find out which program uses the other, and move it; what there is:",
                "$ iptables-legacy-save; iptables-nft-save",
            )
    if networks and packet_filter.ip_forward == 0:
        yield NO_FORWARDING.report(
            "net.ipv4.ip_forward is 0: pods reach nothing outside of the node",
            "$ sysctl -w net.ipv4.ip_forward=1",
            "and to keep it: $ echo net.ipv4.ip_forward=1 > /etc/sysctl.d/99-pods.conf",
        )
    if any(plugin.type == "bridge" for plugin in plugins) and packet_filter.bridge_filter != 1:
        is_off = packet_filter.bridge_filter == 0
        state = "is 0" if is_off else "does not exist, because br_netfilter is not loaded"
        yield NO_BRIDGE_FILTER.report(
            f"net.bridge.bridge-nf-call-iptables {state}: services do not reach pods on the same node",
            *([] if is_off else ["$ modprobe br_netfilter"]),
            "$ sysctl -w net.bridge.bridge-nf-call-iptables=1",
        )
