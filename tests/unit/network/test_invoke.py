"""What plugins are told, what their failures become, and the cache."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.kernel.process import Completed
from cri_shim.network.cache import Cached, NotStarted, ResultCache
from cri_shim.network.capabilities import capability_args, cni_args
from cri_shim.network.conflist import parse_conflist
from cri_shim.network.detach import Detacher, Owed
from cri_shim.network.errors import CniError, NetworkError, ProgramMissingError
from cri_shim.network.exec import PluginExec, plugin_error
from cri_shim.network.invoke import Attachment, add, delete_one, execution_conf
from cri_shim.network.pod import PodDns, PodNetwork, PortMapping

if TYPE_CHECKING:
    from pathlib import Path

RESULT = {"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]}
POD = PodNetwork(
    "ID",
    "web",
    "shop",
    "u-1",
    "/ns",
    port_mappings=(PortMapping("UDP", 53, 5353, "127.0.0.1"), PortMapping("tcp", 1, 0)),
    annotations={"a": "b"},
    dns=PodDns(servers=("1.1.1.1",)),
    cgroup_parent="/kubepods/x",
)


def network(*plugins: dict[str, object], version: str = "1.0.0"):
    return parse_conflist(json.dumps({"cniVersion": version, "name": "n", "plugins": plugins}).encode())


def test_arguments() -> None:
    """CNI_ARGS names the pod in Kubernetes' words and asks plugins to overlook what they do not know."""
    attachment = Attachment(network({"type": "x"}), "ID", "eth0", "/ns", cni_args(POD))
    assert attachment.variables()["CNI_ARGS"] == (
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=ID;K8S_POD_UID=u-1"
    )


def test_capabilities_in_the_spelling_of_the_conventions() -> None:
    """Only ports with a host port are passed; keys are lower camel case."""
    values = capability_args(POD)
    assert values == {
        "io.kubernetes.cri.pod-annotations": {"a": "b"},
        "portMappings": [{"hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": "127.0.0.1"}],
        "dns": {"servers": ["1.1.1.1"], "searches": [], "options": []},
        "cgroupPath": "/kubepods/x",
    }


def test_a_plugin_gets_what_it_declares() -> None:
    """runtimeConfig holds the declared capabilities only, and is left out when there are none."""
    net = network({"type": "x", "capabilities": {"dns": True, "ipRanges": True, "portMappings": False}}, {"type": "y"})
    first = execution_conf(net, net.plugins[0], capability_args(POD))
    assert list(first["runtimeConfig"]) == ["dns"]
    assert (first["name"], first["cniVersion"]) == ("n", "1.0.0")
    assert "prevResult" not in first
    second = execution_conf(net, net.plugins[1], capability_args(POD), {"ips": []})
    assert "runtimeConfig" not in second
    assert second["prevResult"] == {"ips": []}


@pytest.mark.parametrize(
    ("completed", "text"),
    [
        (Completed(1, b'{"code":11,"msg":"try later","details":"busy"}', b"noise"), "try later; busy"),
        (Completed(1, b'{"code":1,"msg":"bad"}', b""), "bad"),
        (Completed(2, b"", b"panic: oh no\n"), "exit code 2: panic: oh no"),
        (Completed(2, b"not json", b""), "exit code 2: not json"),
        (Completed(2, b'["list"]', b""), 'exit code 2: \\["list"\\]'),
        (Completed(2, b'{"code":"x","msg":"m"}', b"err"), "exit code 2: err"),
        (Completed(-9, b"", b""), "signal 9 without output"),
    ],
)
def test_failures_in_words(completed: Completed, text: str) -> None:
    """A plugin's own error object comes first, else the end of what it printed, else how it ended."""
    with pytest.raises(NetworkError, match=rf"^cni plugin p failed \(ADD\): {text}$"):
        raise plugin_error("p", "ADD", completed)


async def delete(runner: PluginExec, attachment: Attachment, prev_result: dict[str, Any] | None) -> None:
    """Take a sandbox off its network by what its ADD was made with; today's configuration is the same."""
    succeeded = prev_result is not None
    owed = Owed("ID", "n", "eth0", attachment, attachment, result=prev_result, succeeded=succeeded)
    await Detacher(runner, [attachment.network], 5).detach(owed)


def script(directory: Path, name: str, body: str) -> None:
    (directory / name).write_text(f"#!/bin/sh\n{body}\n")
    (directory / name).chmod(0o755)


@pytest.mark.parametrize(("version", "expected"), [("0.3.1", False), ("0.4.0", True), ("1.0.0", True)])
async def test_chain_order_and_prev_result(tmp_path: Path, version: str, expected: bool) -> None:
    """ADD runs forward and hands results on, DEL backward; a DEL before 0.4.0 gets no prevResult."""
    log = (
        f"cat > {tmp_path}/$CNI_COMMAND-$name; echo $CNI_COMMAND-$name >> {tmp_path}/order; "
        'echo "{\\"dns\\":{\\"domain\\":\\"$name\\"}}"'
    )
    for name in ("fake-a", "fake-b"):
        script(tmp_path, name, f"name={name}; {log}")
    runner = PluginExec((str(tmp_path),))
    attachment = Attachment(network({"type": "fake-a"}, {"type": "fake-b"}, version=version), "ID", "eth0", "/ns")
    result = await add(runner, attachment, time_limit=5)
    assert result == {"dns": {"domain": "fake-b"}, "cniVersion": version}
    await delete(runner, attachment, result)
    assert (tmp_path / "order").read_text().split() == ["ADD-fake-a", "ADD-fake-b", "DEL-fake-b", "DEL-fake-a"]
    assert json.loads((tmp_path / "ADD-fake-b").read_text())["prevResult"] == {
        "dns": {"domain": "fake-a"},
        "cniVersion": version,
    }
    assert ("prevResult" in json.loads((tmp_path / "DEL-fake-a").read_text())) is expected


async def test_unknown_container_is_a_done_del(tmp_path: Path) -> None:
    """A plugin that does not know the container (code 3) has nothing to delete; the chain goes on."""
    script(tmp_path, "fake-ok", f"touch {tmp_path}/ran")
    script(tmp_path, "fake-unknown", 'echo \'{"code":3,"msg":"who?"}\'; exit 1')
    attachment = Attachment(network({"type": "fake-ok"}, {"type": "fake-unknown"}), "ID", "eth0", "/ns")
    await delete(PluginExec((str(tmp_path),)), attachment, None)
    assert (tmp_path / "ran").exists()


async def test_del_error_is_raised_and_stops_the_chain(tmp_path: Path) -> None:
    """A failing DEL raises; what comes after it in the chain waits for the next try."""
    script(tmp_path, "fake-ok", f"touch {tmp_path}/ran")
    script(tmp_path, "fake-bad", 'echo \'{"code":5,"msg":"no such file or directory"}\'; exit 1')
    net = network({"type": "fake-ok"}, {"type": "fake-bad"})
    with pytest.raises(NetworkError, match=r"fake-bad failed \(DEL\)"):
        await delete(PluginExec((str(tmp_path),)), Attachment(net, "ID", "eth0", "/ns"), None)
    assert not (tmp_path / "ran").exists()
    # the same words are forgiven when there is no namespace any more
    await delete(PluginExec((str(tmp_path),)), Attachment(net, "ID", "eth0", ""), None)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("output", ["", "text", "[]"])
async def test_result_that_is_none(tmp_path: Path, output: str) -> None:
    """An ADD that succeeds without a result object is an error naming the plugin."""
    script(tmp_path, "fake-silent", f"echo '{output}'")
    attachment = Attachment(network({"type": "fake-silent"}), "ID", "eth0", "/ns")
    with pytest.raises(NetworkError, match=r"fake-silent.*its result is not"):
        await add(PluginExec((str(tmp_path),)), attachment, time_limit=5)


async def test_output_that_does_not_end(tmp_path: Path) -> None:
    """More than a result can have is refused in words, whether it is JSON or not."""
    script(tmp_path, "fake-flood", "echo '{}'; head -c 3000000 /dev/zero")
    attachment = Attachment(network({"type": "fake-flood"}), "ID", "eth0", "/ns")
    with pytest.raises(CniError, match="too many for a result") as caught:
        await add(PluginExec((str(tmp_path),)), attachment, time_limit=5)
    assert caught.value.plugins_begun == 1


async def test_a_pod_that_no_program_can_be_given(tmp_path: Path) -> None:
    """A NUL in a pod's name fails the ADD in words, and does not keep the pod: the DEL is run without its words."""
    script(tmp_path, "fake-ok", f'echo "$CNI_ARGS" >> {tmp_path}/args')
    net = network({"type": "fake-ok"})
    attachment = Attachment(net, "ID", "eth0", "/ns", (("IgnoreUnknown", "1"), ("K8S_POD_NAME", "a\0b")))
    runner = PluginExec((str(tmp_path),))
    with pytest.raises(CniError, match="null byte") as caught:
        await add(runner, attachment, time_limit=5)
    owed = Owed("ID", "n", "eth0", attachment, None, begun=caught.value.plugins_begun, refusal=caught.value.said)
    await Detacher(runner, [net], 5).detach(owed)
    assert (tmp_path / "args").read_text() == "IgnoreUnknown=1\n"


async def test_a_name_with_a_semicolon(tmp_path: Path) -> None:
    """Plugins refuse CNI_ARGS that it has torn apart, in every command; the DEL is run without."""
    script(tmp_path, "fake-strict", 'case "$CNI_ARGS" in *b*) echo \'{"code":4,"msg":"invalid pair"}\'; exit 1;; esac')
    net = network({"type": "fake-strict"})
    attachment = Attachment(net, "ID", "eth0", "/ns", (("IgnoreUnknown", "1"), ("K8S_POD_NAME", "a;b")))
    owed = Owed("ID", "n", "eth0", attachment, None, begun=1, refusal="invalid pair")
    await Detacher(PluginExec((str(tmp_path),)), [net], 5).detach(owed)


async def test_a_program_is_looked_for_in_all_directories(tmp_path: Path) -> None:
    """A directory or a file that cannot be run, of the same name, does not hide the program in the next one."""
    for number, name in enumerate(("first", "second", "third")):
        (tmp_path / name).mkdir()
        if number == 0:
            (tmp_path / name / "fake-x").mkdir()
        elif number == 1:
            (tmp_path / name / "fake-x").write_text("no program")
        else:
            script(tmp_path / name, "fake-x", "echo '{}'")
    runner = PluginExec(tuple(str(tmp_path / name) for name in ("first", "second", "third")))
    assert await add(runner, Attachment(network({"type": "fake-x"}), "ID", "eth0", "/ns"), time_limit=5)
    with pytest.raises(ProgramMissingError, match="cannot run"):
        await add(
            PluginExec((str(tmp_path / "second"),)),
            Attachment(network({"type": "fake-x"}), "ID", "eth0", "/ns"),
            time_limit=5,
        )


def test_cache_round_trip(tmp_path: Path) -> None:
    """What was written is found by container id alone, and forgotten once."""
    cache = ResultCache(str(tmp_path))
    attachment = Attachment(network({"type": "x"}), "abc", "eth0", "/ns", cni_args(POD), {"dns": {"servers": []}})
    cache.write(attachment, None)
    assert cache.find("abc")[0].result is None
    cache.write(attachment, RESULT)
    cache.write(Attachment(network({"type": "x"}), "abcd", "eth0", "/ns"), None)
    [cached] = cache.find("abc")
    assert cached.result == RESULT
    assert cached.args == cni_args(POD)
    assert cached.capability_args == {"dns": {"servers": []}}
    assert parse_conflist(cached.source) == attachment.network
    cache.forget([cached])
    cache.forget([cached])
    assert cache.find("abc") == []
    assert len(cache.find("abcd")) == 1


def test_how_an_add_failed_is_remembered(tmp_path: Path) -> None:
    """How far it came and what was said stand in the file, where libcni passes over them."""
    cache = ResultCache(str(tmp_path))
    attachment = Attachment(network({"type": "x"}), "abc", "eth0", "/ns")
    error = CniError("x", "ADD", "no more tea")
    error.plugins_begun = 1
    cache.write(attachment, None)
    cache.write(attachment, error)
    [cached] = cache.find("abc")
    assert (cached.result, cached.begun, cached.refusal) == (None, 1, "no more tea")
    cache.write(attachment, NotStarted())
    [cached] = cache.find("abc")
    assert (cached.begun, cached.refusal) == (0, "")


def test_cache_of_a_directory_that_is_missing(tmp_path: Path) -> None:
    """It is an empty one, to read from and to forget in."""
    assert ResultCache(str(tmp_path / "none")).find("abc") == []
    ResultCache(str(tmp_path / "none")).forget([Cached("n", "abc", "eth0")])


def test_forgetting_all_of_one_container(tmp_path: Path) -> None:
    """Damaged files go too; a file of another container stays, and so does what cannot be removed."""
    results = tmp_path / "results"
    results.mkdir()
    (results / "n0-abc-eth0").write_text("{")
    (results / "n1-abc-eth0").mkdir()
    (results / "n2-abc-eth0").write_text('{"kind": "cniCacheV1", "containerId": "other"}')
    (results / "n3-abcd-eth0").write_text("")
    cache = ResultCache(str(tmp_path))
    cache.forget(cache.find("abc"))
    assert sorted(path.name for path in results.iterdir()) == ["n1-abc-eth0", "n2-abc-eth0", "n3-abcd-eth0"]


@pytest.mark.parametrize(("network_name", "id_"), [("n", "../x"), ("n", "")])
def test_cache_names_cannot_leave_the_directory(tmp_path: Path, network_name: str, id_: str) -> None:
    """An id that is no file name is refused."""
    with pytest.raises(NetworkError, match="cannot be the name"):
        ResultCache(str(tmp_path)).write(Attachment(network({"type": network_name}), id_, "eth0", "/ns"), None)


async def test_no_time_left(tmp_path: Path) -> None:
    """A program that would be killed at once is not begun: half of what it does might stay."""
    (tmp_path / "late").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "late").chmod(0o755)
    attachment = Attachment(network({"type": "late"}), "ID", "eth0", "/ns")
    with pytest.raises(CniError, match="not begun") as raised:
        await add(PluginExec((str(tmp_path),)), attachment, time_limit=0)
    assert raised.value.plugins_begun == 0
    with pytest.raises(CniError, match="not begun"):
        await delete_one(PluginExec((str(tmp_path),)), attachment, attachment.network.plugins[0], None, -0.1)
    assert not (tmp_path / "ran").exists()
