"""Null calls by each client to each side, and what the report makes of them."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from cri_shim.bench import client_share, command
from cri_shim.bench.clients.line_process import ClientError
from cri_shim.bench.endpoint.node import Node, Samples
from cri_shim.bench.endpoint.pod import Pod
from cri_shim.bench.endpoint.pod_configs import Place
from cri_shim.bench.report import client_section, document
from cri_shim.bench.report.markdown import to_markdown
from cri_shim.bench.results import result_file
from cri_shim.bench.results.schema import CallingClient, NullCalls
from tests.unit.bench.fake_runtime import IMAGE, FakeRuntime
from tests.unit.bench.made_up import run

PYTHON = f"{sys.executable} -m cri_shim.bench.clients.line_client"
C = CallingClient("cri_client.c", "nghttp2 1.52.0", "./cri_client")


@pytest.fixture
async def runtime(tmp_path):
    """A runtime that answers ``Version``."""
    async with FakeRuntime(tmp_path / "s") as fake:
        yield fake


@pytest.mark.parametrize("program", ["", PYTHON])
async def test_each_client_asks_each_side_in_each_rhythm(runtime, program, monkeypatch):
    """With another client there are calls by both, else only by the one in here."""
    monkeypatch.setattr(client_share, "_SECONDS", 0.2)
    clients = [await client_share.open_client(runtime.endpoint, program) for _ in range(2)]
    nodes = [SimpleNamespace(name=name, client=client) for name, client in zip("ab", clients, strict=True)]
    measured = await client_share.measure(nodes, (0.0, 0.05))  # type: ignore[arg-type]
    for client in clients:
        await client.__aexit__()
    names = ["python", "in-process Python"] if program else ["in-process Python"]
    keys = {(each.client, each.side, each.rhythm): len(each.samples) for each in measured}
    wanted = {"back to back": 200, "every 50 ms": 16}
    assert keys == {(name, side, rhythm): many for rhythm, many in wanted.items() for side in "ab" for name in names}
    assert all(ms > 0 for each in measured for ms in each.samples)


async def test_pods_are_removed_though_their_client_has_ended(runtime, tmp_path):
    """Through the Python client: what a crashed client has made does not stay on the node."""
    client = await client_share.open_client(runtime.endpoint, PYTHON)
    node = Node("fake", client, Place(IMAGE, tmp_path / "logs", "/parent"))
    await node.have_image()
    with pytest.raises(ClientError, match="was killed by signal 9"):
        async with command._own_pods(node):
            await Pod.of(node, "left").start(Samples())
            assert runtime.pods
            os.kill(client.pids[0], signal.SIGKILL)
            await client.timed("Version", b"")
    assert not runtime.pods
    await client.__aexit__()


def with_clients(*names: str, client: CallingClient = C):
    """A run in which the first client takes 0.2 ms and each other 0.3 ms more, on the bridge twice as much."""
    calls = [
        NullCalls(name, side, rhythm, [factor * (0.2 + 0.3 * place)] * 3)
        for rhythm in ("back to back", "every 1 s")
        for place, name in enumerate(names)
        for side, factor in (("plugin", 1), ("bridge", 2))
    ]
    return replace(run(0.8), client=client, null_calls=tuple(calls))


def text(of) -> str:
    return to_markdown(client_section.of_run(of), "x")


def test_the_report_names_the_client_and_its_share():
    """Which program it was, the medians, and what the other client takes more."""
    report = " ".join(text(with_clients("cri_client.c", "in-process Python")).split())
    assert "made and timed by **cri_client.c** (nghttp2 1.52.0)" in report
    assert "`./cri_client`" in report
    assert "| cri_client.c | back to back | 0.20 | 0.40 |" in report
    assert "| in-process Python | every 1 s | 0.50 | 1.00 |" in report
    assert "in-process Python takes 0.30 ms more (on plugin, back to back) to 0.60 ms more (on bridge," in report


def test_one_client_alone_does_not_know_its_share():
    """And says how to find out."""
    own = CallingClient("in-process Python", "3.11")
    report = text(with_clients("in-process Python", client=own))
    assert "only known beside a client of other make" in " ".join(report.split())
    assert "driven by lines" not in report


def test_a_run_of_before_says_nothing_of_it():
    """It does not know."""
    assert client_section.of_run(run(0.8)) == []


def test_the_section_is_part_of_the_report():
    """Where it says how the measuring was done."""
    assert "## The client" in to_markdown(document.document(with_clients("cri_client.c")), "x")


def test_another_client_does_not_go_on_with_a_run():
    """Its times are others; the same client by another path is the same."""
    old = with_clients("cri_client.c")
    other = replace(old, client=CallingClient("in-process Python", "3.11"))
    assert "cri_client.c nghttp2 1.52.0, and are made by in-process Python" in result_file.resume_objection(old, other)
    moved = replace(old, client=replace(C, command="/elsewhere/cri_client"))
    assert not result_file.resume_objection(old, moved, now=1001.0)
