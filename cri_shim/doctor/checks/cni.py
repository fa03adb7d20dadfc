"""Pod networks: the configuration files, which of them are used, and whether they can be used together."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import reason_of
from cri_shim.doctor.facts.place import quoted
from cri_shim.network.conflist import ConfError, NetworkConf, VersionError, configuration_files, read_configuration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cri_shim.config import CniSection
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

NO_NETWORK = Code(
    "cni-no-network", "error", "there is no network configuration that can be used", "there is a pod network"
)
BROKEN = Code(
    "cni-file-broken", "error", "a network configuration cannot be used", "no network configuration is broken"
)
VERSION = Code(
    "cni-version-unknown",
    "error",
    "a network configuration uses a version of CNI that cri-shim does not know",
    "no network configuration uses an unknown version of CNI",
)
UNUSED = Code(
    "cni-file-unused",
    "note",
    "a network configuration is not used, because files before it are",
    "no network configuration is left out",
)
SAME_NAME = Code(
    "cni-name-twice", "warning", "two network configurations have the same name", "names of networks are unique"
)
OVERLAP = Code(
    "cni-subnets-overlap", "warning", "two networks give addresses of the same subnet", "subnets of networks are apart"
)
NO_PORTS = Code(
    "cni-no-host-ports",
    "note",
    "no plugin of the network maps ports, so `hostPort` has no effect",
    "a plugin of each network maps ports",
)
CODES: Final = (NO_NETWORK, BROKEN, VERSION, UNUSED, SAME_NAME, OVERLAP, NO_PORTS)

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


class CniFile(Struct, frozen=True):
    """One configuration file: its network, or what is wrong with it."""

    path: str
    network: NetworkConf | None = None
    problem: str = ""
    kind: str = ""
    """Of a problem: ``conf``, ``version`` or ``unreadable`` (it is not known whether the file is good)."""


class CniFiles(Struct, frozen=True):
    """All files of the directory, in the order of their use; ``obstacle`` says why the directory cannot be read."""

    directory: str
    files: tuple[CniFile, ...] = ()
    absent: bool = False
    obstacle: str = ""

    def used(self, max_conf_num: int) -> tuple[CniFile, ...]:
        """Return the files that the daemon uses."""
        good = tuple(file for file in self.files if file.network is not None)
        return good[:max_conf_num] if max_conf_num else good


def read_files(cni: CniSection, place: Place) -> CniFiles:
    """Read all configuration files, also those that the daemon does not come to. Blocks."""
    directory = place.at(cni.conf_dir)
    try:
        paths = configuration_files(str(directory))
    except (FileNotFoundError, NotADirectoryError):
        return CniFiles(cni.conf_dir, absent=True)
    except OSError as error:
        return CniFiles(cni.conf_dir, obstacle=reason_of(error))
    files = []
    for path in paths:
        shown = f"{cni.conf_dir}/{path.name}"
        try:
            network = read_configuration(path)
        except VersionError as error:
            files.append(CniFile(shown, problem=str(error), kind="version"))
        except ConfError as error:
            files.append(CniFile(shown, problem=str(error), kind="conf"))
        except PermissionError:
            files.append(CniFile(shown, problem="permission denied", kind="unreadable"))
        except OSError as error:
            files.append(CniFile(shown, problem=(error.strerror or str(error)).lower(), kind="conf"))
        else:
            if network is not None:
                files.append(CniFile(shown, network))
    return CniFiles(cni.conf_dir, tuple(files))


def judge_files(files: CniFiles, cni: CniSection, place: Place) -> Iterator[Outcome]:
    """Judge the files one by one and together."""
    if files.obstacle:
        yield NO_NETWORK.unknown(f"the network configurations cannot be read: {files.obstacle}", place.sudo())
        yield from (code.not_made("the network configurations cannot be read") for code in CODES if code != NO_NETWORK)
        return
    used = files.used(cni.max_conf_num)
    hidden = [file for file in files.files if file.kind == "unreadable"]
    if not used:
        yield _no_network(files, hidden, place)
        yield NO_PORTS.not_made("there is no network")
    else:
        names = ", ".join(f"{file.path} ({file.network.name})" for file in used if file.network is not None)
        yield NO_NETWORK.fine(f"pods get the network of {names}")
    for file in files.files:
        yield from _judge_file(file, place)
    spare = [file for file in files.files if file.network is not None and file not in used]
    for file in spare:
        yield UNUSED.report(
            f"{file.path} is not used: {used[0].path} comes before it, and cni.max_conf_num is {cni.max_conf_num}",
            "rename the file that pods are to use so that it sorts first, or remove the other:",
            f"$ mv {quoted(used[0].path)} {quoted(used[0].path)}.off",
        )
    yield from _judge_names(files.files)
    networks = [file.network for file in used if file.network is not None]
    yield from _judge_subnets(networks)
    for network in networks:
        if not any("portMappings" in plugin.capabilities for plugin in network.plugins):
            yield NO_PORTS.report(
                f"no plugin of the network {network.name} maps ports: `hostPort` of pods has no effect",
                "if pods need it, add to its plugins:",
                '{"type": "portmap", "capabilities": {"portMappings": true}}',
            )


def _no_network(files: CniFiles, hidden: Sequence[CniFile], place: Place) -> Outcome:
    if hidden:
        return NO_NETWORK.unknown(f"{hidden[0].path} cannot be read: {hidden[0].problem}", place.sudo())
    what = "does not exist" if files.absent else "has no network configuration that can be used"
    return NO_NETWORK.report(
        f"{files.directory} {what}: pods get no network, and the node is not ready",
        f"install a network add-on, which writes one, or write {files.directory}/10-pods.conflist yourself "
        "(docs/doctor.md has an example); `cri-shim setup --cni-sample` writes one for a single node",
    )


def _judge_file(file: CniFile, place: Place) -> Iterator[Outcome]:
    match file.kind:
        case "version":
            yield VERSION.report(
                f"{file.path}: {file.problem}: it is not used",
                f'write "cniVersion": "1.0.0" in {file.path}, if its plugins know that version',
            )
        case "conf":
            yield BROKEN.report(
                f"{file.path}: {file.problem}: it is not used, and a file after it may be used instead",
                "correct it, or move it out of the way:",
                f"$ mv {quoted(file.path)} {quoted(file.path)}.off",
            )
        case "unreadable":
            yield BROKEN.unknown(f"{file.path} cannot be read: {file.problem}", place.sudo())
        case _:
            pass


def _judge_names(files: Sequence[CniFile]) -> Iterator[Outcome]:
    first: dict[str, str] = {}
    for file in files:
        if file.network is None:
            continue
        if (other := first.setdefault(file.network.name, file.path)) != file.path:
            yield SAME_NAME.report(
                f"{other} and {file.path} have the same name, {file.network.name}: plugins mix up their addresses",
                f'give the network in {file.path} another "name", while it has no pods',
            )


def _judge_subnets(networks: Sequence[NetworkConf]) -> Iterator[Outcome]:
    known: list[tuple[str, Subnet]] = []
    for network in networks:
        for subnet in subnets_of(network):
            for other, others in known:
                if other != network.name and subnet.version == others.version and subnet.overlaps(others):
                    yield OVERLAP.report(
                        f"the networks {other} ({others}) and {network.name} ({subnet}) overlap: pods of one may get "
                        "addresses of the other",
                        "give one of them another subnet, while it has no pods",
                    )
            known.append((network.name, subnet))


def subnets_of(network: NetworkConf) -> list[Subnet]:
    """Return the subnets that a network's plugins assign addresses of, as host-local writes them."""
    subnets: list[Subnet] = []
    for plugin in network.plugins:
        ipam = plugin.conf.get("ipam")
        if not isinstance(ipam, dict):
            continue
        texts = [ipam.get("subnet")]
        ranges = ipam.get("ranges")
        for choices in ranges if isinstance(ranges, list) else ():
            texts += (
                [each.get("subnet") for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []
            )
        for text in texts:
            try:
                subnets.append(ipaddress.ip_network(text or "", strict=False))
            except ValueError:
                continue  # the plugin refuses it with a better message
    return subnets
