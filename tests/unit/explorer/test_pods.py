"""Pods over HTTP: those that exist, those that only requests remember, their requests, and the search in requests."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from cri_shim.daemon.about_pods import about_pods
from cri_shim.explorer import in_pieces, pods_json
from cri_shim.explorer.http_server import HttpListener
from cri_shim.explorer.query import LONGEST_SEARCH
from cri_shim.explorer.web_sources import WebSources
from cri_shim.ledger import ledger
from cri_shim.ledger.known_names import KnownNames
from cri_shim.ledger.ledger import Ledger
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox
from tests.fakes.objects import APP, POD, a_container, a_pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from cri_shim.ledger.bill import FrontKnown
    from cri_shim.ledger.request import Request

READS = frozenset({"ListPodSandbox", "PodSandboxStatus", "ContainerStatus"})


class Node:
    """A state and a ledger, and the listener that shows both."""

    def __init__(self, state: Path) -> None:
        self.sandboxes, self.containers = Index[Sandbox]("sandbox"), Index[Container]("container")
        self.ledger = Ledger(names=KnownNames(self.sandboxes, self.containers).of)
        sources = WebSources(
            self.ledger,
            metrics=lambda _: (b"", "text/plain"),
            node=lambda: {"version": "1"},
            reads=READS,
            pods=about_pods(self.sandboxes, self.containers),
        )
        self.listener = HttpListener("127.0.0.1:0", state, sources)

    def note(self, method: str, code: str = "OK", **subject: str) -> Request:
        """Record a request."""
        request = self.ledger.open(method)
        request.subject = subject
        self.ledger.close(request, code)
        return request

    def live_a_life(self) -> None:
        """A pod with a container comes and goes."""
        self.sandboxes.put(a_pod())
        self.note("RunPodSandbox", name="web", namespace="shop", sandbox_id=POD)
        self.note("PullImage", image="registry.example/Busybox:1", sandbox_id=POD)
        self.containers.put(a_container())
        self.note("CreateContainer", name="app", sandbox_id=POD, container_id=APP)
        self.note("ContainerStatus", container_id=APP)
        self.note("StopContainer", container_id=APP)
        ended = Status(created_at=3_000_000_000, started_at=4_000_000_000, finished_at=5_000_000_000, exit_code=3)
        self.containers.put(a_container().replace(status=ended))
        self.containers.drop(APP)
        self.note("RemoveContainer", container_id=APP)
        self.sandboxes.drop(POD)
        self.note("RemovePodSandbox", sandbox_id=POD)

    async def get(self, path: str) -> Any:
        """An answer: the JSON, or the status of a refusal."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.listener.address}{path}") as answer:
            return json.loads(await answer.text()) if answer.status == 200 else answer.status


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    one = Node(tmp_path)
    one.listener.bind()
    yield one
    await one.listener.stop()


async def test_an_existing_pod_is_described_from_the_state(node: Node):
    """Also if no request about it is remembered. A container that is gone has the words that are left of it."""
    node.sandboxes.put(a_pod().replace(created_at=2_000_000_000, ips=("10.0.0.7",)))
    ended = Status(created_at=3_000_000_000, started_at=4_000_000_000, finished_at=5_000_000_000, exit_code=3)
    node.containers.put(a_container().replace(status=ended))
    (pod,) = (await node.get("/api/pods"))["pods"]
    assert (pod["namespace"], pod["name"], pod["id"], pod["state"]) == ("shop", "web", POD, "not ready")
    assert (pod["created_at"], pod["ips"], pod["request_count"], pod["first_at"]) == (2.0, ["10.0.0.7"], 0, None)
    assert pod["reason"]
    (app,) = pod["containers"]
    assert (app["name"], app["image"], app["state"]) == ("app", "busybox:1", "exited")
    assert (app["started_at"], app["finished_at"], app["exit_code"]) == (4.0, 5.0, 3)
    node.containers.put(a_container("c3" * 32, name="helper"))
    node.note("CreateContainer", name="helper", sandbox_id=POD, container_id="c3" * 32)
    node.containers.drop("c3" * 32)
    (pod,) = (await node.get("/api/pods"))["pods"]
    assert [(one["name"], one["state"]) for one in pod["containers"]] == [("app", "exited"), ("helper", "removed")]


async def test_a_removed_pod_is_there_as_long_as_its_requests(node: Node):
    """With its names, when it came and went, and what its requests cost; reads are counted apart."""
    node.live_a_life()
    (pod,) = (await node.get("/api/pods"))["pods"]
    assert (pod["namespace"], pod["name"], pod["state"]) == ("shop", "web", "removed")
    assert (pod["request_count"], pod["read_count"], pod["error_count"]) == (6, 1, 0)
    assert pod["created_at"] <= pod["last_at"] <= pod["removed_at"]
    (app,) = pod["containers"]
    assert (app["id"], app["name"], app["image"], app["state"]) == (APP, "app", "busybox:1", "removed")
    assert (app["started_at"], app["finished_at"], app["exit_code"]) == (4.0, 5.0, 3), "what became of it is remembered"
    whole = await node.get(f"/api/pods/{POD}")
    assert {**pod, "requests": whole["requests"], "ledger": True} == whole
    assert [one["method"] for one in whole["requests"]] == [
        *("RunPodSandbox", "PullImage", "CreateContainer", "ContainerStatus", "StopContainer"),
        *("RemoveContainer", "RemovePodSandbox"),
    ]
    assert sum(one["bill"]["wall_ms"] for one in whole["requests"] if one["method"] not in READS) == pytest.approx(
        whole["wall_ms"], abs=0.01
    )


async def test_a_pod_is_found_by_the_beginning_of_its_id(node: Node):
    """As in every CRI call; what is not known, or not one pod, is refused."""
    node.live_a_life()
    assert (await node.get(f"/api/pods/{POD[:3]}"))["id"] == POD
    node.sandboxes.put(a_pod("a1f" + "0" * 61))
    assert await node.get("/api/pods/a1") == 400
    assert await node.get("/api/pods/ffff") == 404
    assert await node.get("/api/pods/" + "a" * 200) == 400
    assert await node.get("/api/pods?limit=x") == 400


async def test_the_beginning_of_many_ids_costs_nothing(node: Node, monkeypatch: pytest.MonkeyPatch):
    """Only a pod that is shown is described: this runs on the event loop, beside CRI requests."""
    for number in range(50):
        id_ = f"{number:064x}"
        node.sandboxes.put(a_pod(id_))
        node.note("StopPodSandbox", sandbox_id=id_)
    described: list[str] = []
    as_it_is = pods_json.pod_json

    async def noted(pod: Mapping[str, Any], *rest: Any) -> dict[str, Any]:
        described.append(pod["id"])
        return await as_it_is(pod, *rest)

    monkeypatch.setattr(pods_json, "pod_json", noted)
    assert await node.get("/api/pods/0") == 400
    assert described == []
    assert (await node.get(f"/api/pods/{7:064x}"))["id"] == f"{7:064x}"
    assert described == [f"{7:064x}"]


@pytest.mark.parametrize(
    "path", ["/api/pods", "/api/requests?limit=2000", "/api/requests?search=stop", f"/api/pods/{POD}", "/api/methods"]
)
async def test_cri_requests_do_not_wait_for_a_long_answer(node: Node, path: str, monkeypatch: pytest.MonkeyPatch):
    """The event loop does other work whenever the rows so far have taken a while."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(in_pieces, "sleep", sleep)
    monkeypatch.setattr(in_pieces, "PIECE", 0.0)
    node.sandboxes.put(a_pod())
    for number in range(20):
        node.sandboxes.put(a_pod(f"{number:064x}"))
        node.note("StopPodSandbox", sandbox_id=POD)
    assert await node.get(path)
    assert pauses.count(0) >= 20


async def test_a_clock_that_is_set_back(node: Node, monkeypatch: pytest.MonkeyPatch):
    """The order of pods and the distance of requests are those of the daemon's own clock; times are the node's."""
    hour = 3600.0
    began = time.time()
    for number, id_ in enumerate((POD, "b2" * 32)):
        now = began - number * hour
        node.sandboxes.put(a_pod(id_).replace(created_at=int(now * 1e9)))
        for method in ("RunPodSandbox", "StopPodSandbox"):
            with monkeypatch.context() as patched:
                patched.setattr(ledger, "time", SimpleNamespace(time=lambda at=now: at, perf_counter=time.perf_counter))
                node.note(method, name="web", namespace="shop", sandbox_id=id_)
    newest, oldest = (await node.get("/api/pods"))["pods"]
    assert (oldest["id"], newest["id"]) == (POD, "b2" * 32)
    assert oldest["first_at"] - newest["first_at"] == pytest.approx(hour)
    clocks = [one["clock_ms"] for one in (await node.get("/api/requests"))["requests"]]
    assert clocks == sorted(clocks, reverse=True)
    assert clocks[0] - clocks[-1] < hour / 2 * 1000


@pytest.mark.parametrize(
    ("fronts", "known"),
    [(("estimate", "estimate"), "estimate"), (("estimate", "measured"), "mixed"), (("measured", "none"), "none")],
)
async def test_how_the_price_of_a_pod_is_known(node: Node, fronts: tuple[FrontKnown, ...], known: str):
    """What is unknown of one request is unknown of their sum. One that runs has no price, and does not count."""
    node.sandboxes.put(a_pod())
    for front in fronts:
        request = node.ledger.open("StopPodSandbox")
        request.subject, request.front_known = {"sandbox_id": POD}, front
        node.ledger.close(request)
    running = node.ledger.open("StopPodSandbox")
    running.subject = {"sandbox_id": POD}
    (pod,) = (await node.get("/api/pods"))["pods"]
    assert (pod["request_count"], pod["running_count"], pod["hop_count"]) == (3, 1, 0)
    assert (pod["front_known"], pod["split"]) == (known, "none")


async def test_a_pod_that_does_not_start_is_listed_without_an_id(node: Node):
    """While it starts, and after each failed attempt; the row has the last request about it."""
    node.note("RunPodSandbox", "INTERNAL", name="web", namespace="shop")
    last = node.note("RunPodSandbox", "INTERNAL", name="web", namespace="shop")
    (pod,) = (await node.get("/api/pods"))["pods"]
    assert (pod["id"], pod["state"], pod["error_count"], pod["last_request"]) == ("", "failed", 2, last.id)
    running = node.ledger.open("RunPodSandbox")
    running.subject = {"name": "web", "namespace": "shop"}
    (pod,) = (await node.get("/api/pods"))["pods"]
    assert (pod["state"], pod["last_request"]) == ("starting", running.id)


async def test_the_newest_pod_comes_first(node: Node):
    """Whether it exists or is only remembered."""
    node.live_a_life()
    node.sandboxes.put(a_pod("0a" * 32, "old").replace(created_at=1_000_000_000))
    node.sandboxes.put(a_pod("0b" * 32, "new").replace(created_at=4_000_000_000_000_000_000))
    answer = await node.get("/api/pods")
    assert [pod["name"] for pod in answer["pods"]] == ["new", "web", "old"]
    answer = await node.get("/api/pods?limit=1")
    assert ([pod["name"] for pod in answer["pods"]], answer["count"]) == (["new"], 3)


async def test_a_request_has_its_neighbours(node: Node):
    """The requests of the same pod before and after it that are no reads; those of other pods do not count."""
    node.live_a_life()
    node.sandboxes.put(a_pod("0b" * 32, "other"))
    node.note("StopPodSandbox", sandbox_id="0b" * 32)
    by_method = {one["method"]: one for one in (await node.get("/api/requests"))["requests"]}
    stop = await node.get(f"/api/requests/{by_method['StopContainer']['id']}")
    assert {key: one["method"] for key, one in stop["neighbours"].items()} == {
        "previous": "CreateContainer",
        "next": "RemoveContainer",
    }
    read = await node.get(f"/api/requests/{by_method['ContainerStatus']['id']}")
    assert read["neighbours"]["previous"]["method"] == "CreateContainer"
    last = await node.get(f"/api/requests/{by_method['RemovePodSandbox']['id']}")
    assert last["neighbours"]["next"] is None
    image = node.note("PullImage", image="busybox")
    assert (await node.get(f"/api/requests/{image.id}"))["neighbours"] == {"previous": None, "next": None}
    assert (await node.get(f"/api/requests/{image.id}?neighbours=0"))["neighbours"] is None
    assert (await node.get(f"/api/requests/{image.id}?typical=0"))["typical"] is None


@pytest.mark.parametrize(
    ("search", "methods"),
    [
        ("shop/web/app", {"CreateContainer", "ContainerStatus", "StopContainer", "RemoveContainer"}),
        ("SHOP stop", {"StopContainer"}),
        (APP[:6], {"CreateContainer", "ContainerStatus", "StopContainer", "RemoveContainer"}),
        (APP[1:6], set()),
        ("not_found", {"ExecSync"}),
        ("registry.example/busybox", {"PullImage"}),
        ("c4c4", {"ExecSync"}),
        ("2", {"PullImage"}),
        ("nothing-has-this", set()),
    ],
)
async def test_a_search_finds(node: Node, search: str, methods: set[str]):
    """Parts of names, methods, codes and images, in any case, and beginnings of ids; every word has to match."""
    node.live_a_life()
    node.note("ListPodSandbox")
    node.note("ExecSync", "NOT_FOUND", container_id="c4" * 32)
    answer = await node.get(f"/api/requests?search={search.replace(' ', '%20')}")
    assert {one["method"] for one in answer["requests"]} == methods


async def test_a_search_goes_through_all_that_is_remembered(node: Node):
    """Together with the other filters; a search that is too long is refused in words."""
    first = node.note("StopContainer", "UNKNOWN", container_id="f" * 64)
    for _ in range(1500):
        node.note("ListPodSandbox")
    answer = await node.get("/api/requests?search=unknown&limit=5")
    assert [one["id"] for one in answer["requests"]] == [first.id]
    assert (await node.get("/api/requests?search=list&reads=0"))["requests"] == []
    assert len((await node.get("/api/requests?search=list&limit=3"))["requests"]) == 3
    assert await node.get(f"/api/requests?search={'x' * (LONGEST_SEARCH + 1)}") == 400


async def test_the_daemon_says_what_it_offers(node: Node):
    """A page that asks for more than an earlier daemon had looks here first."""
    assert set((await node.get("/api/node"))["offers"]) == {"names", "pods", "search"}
