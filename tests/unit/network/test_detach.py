"""Undoing an attachment of which not everything can be undone any more: what is tried, given up and waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
import structlog

from cri_shim.network import detach
from cri_shim.network.cache import Cached, NotStarted, ResultCache
from cri_shim.network.capabilities import usable_capability_args
from cri_shim.network.conflist import NetworkConf, Plugin
from cri_shim.network.detach import Detacher, Owed, with_way_out
from cri_shim.network.errors import CniError, NetworkError, ProgramMissingError
from cri_shim.network.exec import PluginExec
from cri_shim.network.invoke import Attachment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESULT = {"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]}
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 0, "protocol": "tcp"}]}
REFUSES = 'grep -q hostPort && { echo \'{"code":999,"msg":"invalid port"}\'; exit 1; }'
FAILS = 'echo \'{"code":5,"msg":"busy"}\'; exit 1'


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detach, "_PAUSE", 0.01)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A directory of programs."""
    return Node(tmp_path)


@pytest.fixture
def left() -> Iterator[list[dict[str, Any]]]:
    """What the log says may be left."""
    with structlog.testing.capture_logs() as lines:
        yield lines  # type: ignore[misc]


class Node:
    """Programs that write down which of them ran."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def install(self, name: str, script: str = "") -> None:
        """Add a program."""
        path = self.directory / name
        path.write_text(f"#!/bin/sh\necho {name} >> {self.directory}/ran\n{script}\nexit 0\n")
        path.chmod(0o755)

    @property
    def ran(self) -> list[str]:
        """The programs that ran, in order."""
        path = self.directory / "ran"
        return path.read_text().split() if path.exists() else []

    async def detach(self, owed: Owed, *known: NetworkConf) -> None:
        """Undo, where ``known`` are the networks that are configured today."""
        await Detacher(PluginExec((str(self.directory),)), known, 5.0).detach(owed)


def network(*types: str, name: str = "n", capabilities: tuple[str, ...] = (), addresses: str = "") -> NetworkConf:
    """A chain of plugins of these types."""
    plugins = tuple(Plugin(type_, frozenset(capabilities), {"type": type_}, addresses) for type_ in types)
    return NetworkConf(name, "1.0.0", plugins, b"")


def owed(by_add: NetworkConf | None, by_today: NetworkConf | None = None, **fields: Any) -> Owed:
    """An attachment to undo."""
    capability_args = fields.pop("capability_args", {})

    def attachment(of: NetworkConf | None) -> Attachment | None:
        return None if of is None else Attachment(of, "ID", "eth0", "/ns", (), capability_args)

    return Owed("ID", "n", "eth0", attachment(by_add), attachment(by_today), **fields)


async def test_a_program_that_the_add_never_came_to(node, left):
    """It has made nothing, so its DEL is not owed, whether the program is there or not."""
    chain = network("bridge", "failed", "missing")
    node.install("bridge")
    node.install("failed")
    await node.detach(owed(chain, chain, begun=2), chain)
    assert node.ran == ["failed", "bridge"]
    await node.detach(owed(chain, chain, begun=0), chain)
    assert node.ran == ["failed", "bridge"]
    assert left == []


@pytest.mark.parametrize("fields", [{"result": RESULT, "succeeded": True}, {}], ids=["after success", "cut off"])
async def test_a_missing_program_that_is_configured_may_come_back(node, fields):
    """As long as the configuration names it, it may still be installed; nothing before it in the chain is undone."""
    chain = network("bridge", "missing")
    node.install("bridge")
    with pytest.raises(ProgramMissingError, match="no such program"):
        await node.detach(owed(chain, chain, **fields), chain)
    assert node.ran == []


@pytest.mark.parametrize("fields", [{"result": RESULT, "succeeded": True}, {}], ids=["after success", "cut off"])
async def test_a_missing_program_that_is_not_configured_any_more(node, left, fields):
    """The rest of the chain is undone, and the log names what may be left."""
    node.install("bridge")
    await node.detach(owed(network("bridge", "missing"), None, **fields), network("other", name="other"))
    assert node.ran == ["bridge"]
    [line] = left
    assert line["event"] == "network.left_behind"
    assert (line["sandbox_id"], line["network"], line["plugin"], line["interface"]) == ("ID", "n", "missing", "eth0")
    assert line["addresses"] == (["10.0.0.2/24"] if fields else [])


async def test_addresses_of_a_program_that_is_gone(node, left):
    """What had given them is run in its place."""
    node.install("host-local")
    await node.detach(owed(network("gone", addresses="host-local"), None, succeeded=True), network("other"))
    assert node.ran == ["host-local"]
    assert [line["plugin"] for line in left] == ["gone"]


async def test_a_program_and_its_configuration_are_gone(node, left):
    """After an ADD that never succeeded that is the end; after one that did, a configuration may come back."""
    chain = network("gone")
    await node.detach(owed(chain))
    assert [line["event"] for line in left] == ["network.left_behind"]
    with pytest.raises(ProgramMissingError):
        await node.detach(owed(chain, result=RESULT, succeeded=True))


@pytest.mark.parametrize("mode", [0o644, None], ids=["not executable", "directory"])
async def test_a_program_that_cannot_be_run_is_none(node, left, mode):
    """A file that is no program is as good as a missing one."""
    if mode is None:
        (node.directory / "odd").mkdir()
    else:
        (node.directory / "odd").write_text("")
        (node.directory / "odd").chmod(mode)
    await node.detach(owed(network("odd")), network("other"))
    assert [line["plugin"] for line in left] == ["odd"]


async def test_what_merely_fails_stays_owed(node, left):
    """The DEL fails each time, and nothing is given up."""
    chain = network("bridge", "bad")
    node.install("bridge")
    node.install("bad", FAILS)
    for fields in ({}, {"succeeded": True, "result": RESULT}, {"begun": 2, "refusal": "busy"}):
        with pytest.raises(CniError, match="busy"):
            await node.detach(owed(chain, chain, capability_args=PORTS, **fields), chain)
    assert node.ran == ["bad"] * 3
    assert left == []


async def test_what_a_plugin_refuses_in_the_pods_own_words(node, left):
    """A plugin whose ADD and DEL refuse the same is asked again without; the chain goes on."""
    chain = network("bridge", "portmap", capabilities=("portMappings",))
    node.install("bridge")
    node.install("portmap", REFUSES)
    await node.detach(owed(chain, chain, capability_args=PORTS, begun=2, refusal="invalid port"), chain)
    assert node.ran == ["portmap", "portmap", "bridge"]
    [line] = left
    assert (line["plugin"], line["host_ports"]) == ("portmap", [8080])


async def test_a_refusal_of_which_nothing_is_known(node, left):
    """A DEL that is refused twice in the same words is tried without the pod's words; a lock that passes is not."""
    chain = network("portmap", capabilities=("portMappings",))
    node.install("portmap", REFUSES)
    await node.detach(owed(chain, chain, capability_args=PORTS), chain)
    assert node.ran == ["portmap"] * 3
    assert len(left) == 1
    node.install("portmap", f"mkdir {node.directory}/once 2>/dev/null && {{ {FAILS}; }}")
    await node.detach(owed(chain, chain, capability_args=PORTS), chain)
    assert node.ran[3:] == ["portmap"] * 2


async def test_a_refusal_after_an_add_that_succeeded(node):
    """What was accepted once is not given up for a complaint."""
    chain = network("portmap", capabilities=("portMappings",))
    node.install("portmap", REFUSES)
    with pytest.raises(CniError, match="invalid port"):
        await node.detach(owed(chain, chain, capability_args=PORTS, result=RESULT, succeeded=True), chain)


@pytest.mark.parametrize("fields", [{"result": RESULT, "succeeded": True}, {"begun": 1, "refusal": "busy"}, {}])
async def test_a_configuration_that_was_mended(node, left, fields):
    """Where the DEL fails by the old one, it is tried by today's configuration of the same network."""
    node.install("bad", FAILS)
    node.install("good")
    await node.detach(owed(network("bad"), network("good"), **fields), network("good"))
    assert node.ran == ["bad", "good"]
    assert [line["plugin"] for line in left] == ["bad"]


async def test_another_network_does_not_undo_what_succeeded(node):
    """Today's network of another name knows nothing of the pod, and so is asked only where nothing else can help."""
    old, today = network("bad"), network("good", name="other")
    node.install("good")
    node.install("bad", FAILS)
    with pytest.raises(CniError, match="busy"):
        await node.detach(owed(old, today, result=RESULT, succeeded=True), today)
    node.install("bad", 'echo \'{"code":1,"msg":"incompatible CNI versions"}\'; exit 1')
    await node.detach(owed(old, today, result=RESULT, succeeded=True), today)
    node.install("bad", FAILS)
    await node.detach(owed(old, today), today)


async def test_today_fails_as_well(node):
    """Both failures are raised, today's first; it can be tried again."""
    node.install("bad", FAILS)
    node.install("worse", 'echo \'{"code":5,"msg":"worse"}\'; exit 1')
    with pytest.raises(CniError, match="worse") as caught:
        await node.detach(owed(network("bad"), network("worse")), network("worse"))
    assert "busy" in str(caught.value.__cause__)


async def test_not_found_is_gone_already(node, left):
    """As for go-cni, whose callers know no other way out; the log says what was complained of."""
    chain = network("bridge", "odd")
    node.install("bridge")
    node.install("odd", 'echo \'{"code":999,"msg":"container abc not found"}\'; exit 1')
    await node.detach(owed(chain, chain, succeeded=True, result=RESULT), chain)
    assert node.ran == ["odd", "bridge"]
    assert len(left) == 1


async def test_a_record_that_cannot_be_read(node, left):
    """Today's configuration does; without one it depends on whether there was a result."""
    node.install("good")
    await node.detach(owed(None, network("good"), succeeded=True), network("good"))
    assert node.ran == ["good"]
    await node.detach(owed(None))
    assert [line["event"] for line in left] == ["network.left_behind"]
    with pytest.raises(NetworkError, match="put a network configuration in place"):
        await node.detach(owed(None, succeeded=True))


@pytest.mark.parametrize(
    ("version", "handed_on"),
    [("1.0.0", "1.0.0"), ("0.4.0", "0.4.0"), ("0.2.0", None)],
)
async def test_the_result_in_the_version_of_the_chain(node, version, handed_on):
    """A network whose version has changed since gets the result as that version has it, or none."""
    node.install("x", f"cat > {node.directory}/stdin")
    chain = NetworkConf("n", version, network("x").plugins, b"")
    await node.detach(owed(None, chain, result=RESULT, succeeded=True), chain)
    stdin = (node.directory / "stdin").read_text()
    assert (f'"prevResult":{{"cniVersion":"{handed_on}"' in stdin) is (handed_on is not None)
    assert ('"version":"4"' in stdin) is (version == "0.4.0")


def test_the_outcomes_that_are_remembered(tmp_path: Path) -> None:
    """What a cache of outcomes gives back is what the undo needs."""
    cache = ResultCache(str(tmp_path))
    cache.write(Attachment(network("x"), "ID", "eth0", "/ns"), NotStarted())
    assert cache.find("ID") == [Cached("n", "ID", "eth0", begun=0)]


async def test_programs_that_were_exchanged_under_a_network(node, left):
    """What the new ones are is asked to free what the old ones had made, for the network is the same."""
    node.install("new")
    today = network("new")
    await node.detach(owed(network("old"), today, result=RESULT, succeeded=True), today)
    assert node.ran == ["new"]
    assert [line["plugin"] for line in left] == ["old"]


async def test_exchanged_programs_that_fail(node):
    """They may succeed later, so the attachment is kept."""
    node.install("new", FAILS)
    today = network("new")
    with pytest.raises(CniError, match="busy"):
        await node.detach(owed(network("old"), today, result=RESULT, succeeded=True), today)


async def test_no_record_of_a_network_that_is_configured_no_more(node, left):
    """Nothing could ever undo it, and other networks are there: it is given up in words."""
    await node.detach(owed(None, succeeded=True), network("other", name="other"))
    assert [line["event"] for line in left] == ["network.left_behind"]
    with pytest.raises(NetworkError, match="no network is configured"):
        await node.detach(owed(None, succeeded=True))


DELEGATE_GONE = 'echo \'{"code":999,"msg":"failed to find plugin \\"ipam\\" in path [/b]"}\'; exit 1'


def with_conf(type_: str, **conf: Any) -> NetworkConf:
    """A network of one plugin with this configuration."""
    ipam = conf.get("ipam", {})
    return NetworkConf("n", "1.0.0", (Plugin(type_, frozenset(), {"type": type_, **conf}, ipam.get("type", "")),), b"")


@pytest.mark.parametrize("conf", [{"ipam": {"type": "ipam"}}, {"delegates": [{"Type": "ipam"}]}], ids=["ipam", "meta"])
async def test_a_program_that_a_plugin_runs_and_that_is_gone(node, left, conf):
    """It is given up like a plugin's own, but only while no configuration names it; the plugin undoes the rest."""
    node.install(
        "bridge", f"cat > {node.directory}/stdin; grep -q ipam {node.directory}/stdin && {{ {DELEGATE_GONE}; }}"
    )
    old = with_conf("bridge", **conf)
    fields: dict[str, Any] = {"succeeded": True, "result": RESULT}
    for today in (old, with_conf("other", **conf), with_conf("ipam")):
        with pytest.raises(CniError, match="failed to find plugin"):
            await node.detach(owed(old, **fields), today)
    with pytest.raises(CniError, match="failed to find plugin"):
        await node.detach(owed(with_conf("bridge", note="ipam"), **fields), network("other", name="other"))
    assert left == []
    await node.detach(owed(old, **fields), network("other", name="other"))
    assert [(line["plugin"], line["addresses"]) for line in left if "reason" in line] == [("bridge", ["10.0.0.2/24"])]
    assert ("ipam" in (node.directory / "stdin").read_text()) is ("delegates" in conf)


async def test_the_rest_of_a_chain_whose_configuration_has_changed(node, left):
    """Another network replaces the plugin that fails, and not those before it, to which a hang costs nothing."""
    node.install("bridge")
    node.install("portmap", "sleep 0.6; " + FAILS)
    node.install("new")
    old, today = network("bridge", "portmap", "portmap"), network("new", name="other")
    detacher = Detacher(PluginExec((str(node.directory),)), [today], 0.5)
    await detacher.detach(owed(old, today))
    assert node.ran == ["portmap", "portmap", "bridge", "new"]
    assert [line["plugin"] for line in left] == ["portmap", "portmap"]


async def test_a_configuration_that_was_mended_of_a_pod_with_a_host_port(node, left):
    """What a plugin refuses may be the pod's own words or its configuration: both are left out, in this order."""
    node.install("portmap", FAILS)
    node.install("bridge")
    old = network("bridge", "portmap", capabilities=("portMappings",))
    for fields in ({"begun": 2, "refusal": "busy"}, {}):
        (node.directory / "ran").unlink(missing_ok=True)
        today = network("bridge", name="other")
        await node.detach(owed(old, today, capability_args=PORTS, **fields), today)
        assert node.ran[-3:] == ["portmap", "bridge", "bridge"]
    assert [line["plugin"] for line in left] == ["portmap", "portmap"]


async def test_another_network_in_the_place_of_a_record(node, left):
    """What the record would have freed may be left, and the log says so; the network's own configuration frees it."""
    node.install("new")
    today = network("new", name="other")
    fields: dict[str, Any] = {"succeeded": True, "addresses": ("10.0.0.2",)}
    await node.detach(owed(None, network("new"), **fields), network("new"))
    assert left == []
    await node.detach(owed(None, today, **fields), today)
    await node.detach(owed(None, network("new"), lost=True, **fields), network("new"))
    assert [(line["addresses"], "asked in its place" in line["reason"]) for line in left] == [(["10.0.0.2"], True)] * 2


def test_what_can_be_done_about_a_network_that_is_not_configured_any_more():
    """The error names the record to delete, and keeps its code."""
    error = CniError("x", "DEL", "busy")
    error.code = grpc.StatusCode.RESOURCE_EXHAUSTED
    assert with_way_out(error, "n", [], "/c/x") is error
    assert with_way_out(error, "n", [network("x")], "/c/x") is error
    said = with_way_out(error, "n", [network("x", name="other")], "/c/x")
    assert said.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(error) in str(said)
    assert "or delete /c/x to detach" in str(said)


def test_values_of_the_wrong_type():
    """What a program could not read is left out, so that the pod's own word counts; the rest is kept."""
    good = {
        "portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "tcp", "hostIP": ""}],
        "bandwidth": {"ingressRate": 1},
        "dns": {"servers": ["10.0.0.1"]},
        "io.kubernetes.cri.pod-annotations": {"a": "b"},
        "of another daemon": [1, {"x": None}],
    }
    bad = {
        "portMappings": [{"hostPort": "80"}],
        "bandwidth": [1],
        "dns": {"servers": "10.0.0.1"},
        "cgroupPath": 7,
        "mac": None,
        "ips": [1],
        "aliases": {},
    }
    assert usable_capability_args(good) == good
    assert usable_capability_args(bad) == {}
    assert usable_capability_args({"portMappings": "x"}) == {}
