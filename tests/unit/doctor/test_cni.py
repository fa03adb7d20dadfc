"""Network configurations: what is wrong with a file, which of several is used, and what they lack together."""

from __future__ import annotations

import json
import os

import pytest

from cri_shim.doctor.checks import cni
from cri_shim.doctor.checks.cni import CniFile, CniFiles, judge_files, read_files
from cri_shim.doctor.checks.cni_programs import (
    PacketFilter,
    filter_of,
    judge_filter,
    judge_plugins,
    read_filter,
    read_plugins,
)
from cri_shim.doctor.facts.place import Place
from cri_shim.doctor.facts.programs import Searched
from cri_shim.network.conflist import parse_conflist
from tests.unit.doctor.node_tree import config_of, findings, plant, reported

BRIDGE = {"type": "bridge", "ipMasq": True, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]}}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}


def conflist(name="pods", *plugins, version="1.0.0"):
    return json.dumps({"cniVersion": version, "name": name, "plugins": list(plugins) or [BRIDGE, PORTMAP]})


def judged(tmp_path, files, *, most=1):
    place = plant(tmp_path, {f"etc/cni/net.d/{name}": text for name, text in files.items()})
    section = config_of(f"[cni]\nmax_conf_num = {most}\n").cni
    return list(judge_files(read_files(section, place), section, place))


def test_one_good_file_is_fine(tmp_path):
    outcomes = judged(tmp_path, {"10-pods.conflist": conflist(), "readme.txt": "{"})
    assert reported(outcomes) == {}
    assert any(
        "/etc/cni/net.d/10-pods.conflist (pods)" in outcome.what for outcome in outcomes if hasattr(outcome, "what")
    )


@pytest.mark.parametrize("files", [{}, {"readme.txt": ""}])
def test_no_network(tmp_path, files):
    assert reported(judged(tmp_path, files)) == {"cni-no-network": "error"}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": "x", "plugins": []}', "\0", conflist("bad name")])
def test_a_broken_file(tmp_path, text):
    outcomes = judged(tmp_path, {"10-pods.conflist": conflist(), "05-bad.conflist": text})
    assert reported(outcomes) == {"cni-file-broken": "error"}
    assert "$ mv /etc/cni/net.d/05-bad.conflist /etc/cni/net.d/05-bad.conflist.off" in findings(outcomes)[0].remedy


def test_a_file_that_is_none(tmp_path):
    plant(tmp_path, {"etc/cni/net.d/10-pods.conflist": conflist()})
    os.mkfifo(tmp_path / "etc/cni/net.d/20-pipe.conf")
    (tmp_path / "etc/cni/net.d/30-gone.conf").symlink_to("nowhere")
    outcomes = judged(tmp_path, {})
    assert [finding.code for finding in findings(outcomes)] == ["cni-file-broken", "cni-file-broken"]


def test_a_file_that_only_root_may_read_is_unknown():
    hidden = CniFile("/etc/cni/net.d/10.conf", problem="permission denied", kind="unreadable")
    section = config_of().cni
    outcomes = judge_files(CniFiles("/etc/cni/net.d", (hidden,)), section, Place(uid=1000))
    assert reported(outcomes) == {"cni-no-network": "unknown", "cni-file-broken": "unknown"}


def test_a_directory_that_cannot_be_read_is_unknown(tmp_path):
    place = plant(tmp_path, {"etc/cni/x": ""})
    (tmp_path / "etc/cni/net.d").symlink_to("net.d")
    section = config_of().cni
    outcomes = list(judge_files(read_files(section, place), section, place))
    assert reported(outcomes) == {"cni-no-network": "unknown"}
    assert {outcome.code for outcome in outcomes} == {code.name for code in cni.CODES}


def test_an_unknown_version(tmp_path):
    files = {"05-new.conflist": conflist(version="2.0.0"), "10-pods.conflist": conflist()}
    assert reported(judged(tmp_path, files)) == {"cni-version-unknown": "error"}
    assert reported(judged(tmp_path, {"05-new.conflist": conflist(version="x")})) == {"cni-version-unknown": "error"}


def test_the_first_file_wins_and_the_other_is_a_note(tmp_path):
    outcomes = judged(tmp_path, {"10-a.conflist": conflist("a"), "20-b.conflist": conflist("b")})
    assert reported(outcomes) == {"cni-file-unused": "note"}
    assert "/etc/cni/net.d/20-b.conflist is not used: /etc/cni/net.d/10-a.conflist" in findings(outcomes)[0].what


def test_two_networks_with_one_name(tmp_path):
    other = {**BRIDGE, "ipam": {"type": "host-local", "subnet": "10.99.0.0/16"}}
    files = {"10-a.conflist": conflist(), "20-b.conflist": conflist("pods", other, PORTMAP)}
    assert reported(judged(tmp_path, files, most=2)) == {"cni-name-twice": "warning"}


def test_two_networks_with_one_subnet(tmp_path):
    files = {"10-a.conflist": conflist("a"), "20-b.conflist": conflist("b")}
    assert reported(judged(tmp_path, files, most=2)) == {"cni-subnets-overlap": "warning"}
    apart = {**BRIDGE, "ipam": {"type": "host-local", "subnet": "fd00::/64", "ranges": 7}}
    files["20-b.conflist"] = conflist("b", apart, PORTMAP)
    assert reported(judged(tmp_path, files, most=2)) == {}


def test_a_network_without_host_ports_is_a_note(tmp_path):
    assert reported(judged(tmp_path, {"10-a.conflist": conflist("a", BRIDGE)})) == {"cni-no-host-ports": "note"}


NETWORK = parse_conflist(conflist().encode())
HEALTHY = PacketFilter(Searched("/usr/sbin/iptables"), Searched(), "iptables v1.8.9 (nf_tables)", False, 1, 1)


def with_modes(tmp_path, modes):
    place = plant(tmp_path, {f"opt/{name}": "" for name in modes})
    for name, mode in modes.items():
        (tmp_path / "opt" / name).chmod(mode)
    here = ("/none", "/opt")
    return list(judge_plugins([NETWORK], read_plugins([NETWORK], here, place), here, place))


def test_programs_of_plugins(tmp_path):
    whole = {"bridge": 0o755, "portmap": 0o755, "host-local": 0o755}
    assert reported(with_modes(tmp_path / "whole", whole)) == {}
    outcomes = with_modes(tmp_path / "less", {"bridge": 0o755, "portmap": 0o755})
    assert reported(outcomes) == {"cni-program-missing": "error"}
    assert "plugin host-local of the network pods" in findings(outcomes)[0].what


def test_a_program_that_cannot_be_executed(tmp_path):
    outcomes = with_modes(tmp_path, {"bridge": 0o644, "portmap": 0o755, "host-local": 0o755})
    assert reported(outcomes) == {"cni-program-not-executable": "error"}
    assert findings(outcomes)[0].remedy == ("$ chmod 755 /opt/bridge",)


def filtered(networks=(NETWORK,), **changes):
    values = {name: changes.get(name, getattr(HEALTHY, name)) for name in HEALTHY.__struct_fields__}
    return reported(judge_filter(list(networks), PacketFilter(**values)))


def test_the_packet_filter():
    assert filtered() == {}
    assert filtered(iptables=Searched()) == {"iptables-missing": "error"}
    assert filtered(networks=(), iptables=Searched(), ip_forward=0, bridge_filter=None) == {}
    assert filtered(legacy_rules=True) == {"iptables-backends-mixed": "warning"}
    assert filtered(legacy_rules=True, version="iptables v1.8.9 (legacy)") == {}
    assert filtered(legacy_rules=None) == {}
    assert filtered(ip_forward=0) == {"ip-forward-off": "warning"}
    assert filtered(bridge_filter=0) == {"bridge-netfilter-off": "warning"}
    assert filtered(bridge_filter=None) == {"bridge-netfilter-off": "warning"}


def test_a_network_on_nftables_needs_nft():
    plugins = [{**BRIDGE, "ipMasqBackend": "nftables"}, {**PORTMAP, "backend": "nftables"}]
    network = parse_conflist(conflist("pods", *plugins).encode())
    assert [filter_of(plugin) for plugin in network.plugins] == ["nft", "nft"]
    assert filtered(networks=[network], iptables=Searched()) == {"iptables-missing": "error"}
    assert filtered(networks=[network], iptables=Searched(), nft=Searched("/usr/sbin/nft")) == {}


async def test_the_packet_filter_is_read(tmp_path):
    place = plant(tmp_path, {
        "proc/net/ip_tables_names": "nat\n",
        "proc/sys/net/ipv4/ip_forward": "1\n",
        "sbin/nft": "",
    })  # fmt: skip
    (tmp_path / "sbin/nft").chmod(0o755)
    read = await read_filter(place, ["/sbin"])
    assert read == PacketFilter(Searched(), Searched("/sbin/nft"), "", True, 1, None)
