"""``cri-shim hops show``: which requests it takes, and in which forms it writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from cri_shim.cli import main
from cri_shim.terminal.show import show
from tests.unit.terminal.records import RECORD

if TYPE_CHECKING:
    from cri_shim.terminal.fetch import Explorer

OLD, WEB = ({"id": letter * 64, "namespace": "shop", "name": "web"} for letter in "ab")
REQUESTS: list[dict[str, Any]] = [
    RECORD | {"id": 1, "pod": OLD},
    RECORD | {"id": 2, "pod": OLD, "method": "RemovePodSandbox"},
    RECORD | {"id": 3, "pod": {**WEB, "id": ""}, "method": "PullImage"},
    RECORD | {"id": 4, "pod": WEB},
    RECORD | {"id": 5, "pod": WEB | {"namespace": "other", "id": "c" * 64}},
    RECORD | {"id": 6, "pod": WEB, "method": "StartContainer"},
    RECORD | {"id": 7, "pod": None, "method": "PullImage", "running": True},
    RECORD | {"id": 8, "pod": WEB, "method": "PodSandboxStatus"},
]


ALSO = "in place of an id, and of `cri-shim hops record`"
RECORDED = "--recording is for what can be asked of a recording: not --follow, `record` or `open`"
TAKES = (
    "cri-shim hops takes nothing, `show [ID]`, `slowest [METHOD]`, `calibrate`, `record FILE` or `open FILE`; "
    "see --help"
)


class Daemon:
    """Answers as the listener does."""

    def __init__(self, requests: list[dict[str, Any]]) -> None:
        self.requests = requests

    def get(self, path: str, **query: str) -> Any:
        if path == "/api/requests":
            wanted = [one for one in self.requests if query.get("reads") != "0" or "Status" not in one["method"]]
            return {"requests": sorted(wanted, key=lambda one: -one["id"])}
        return next(one for one in self.requests if path == f"/api/requests/{one['id']}")


def daemon(requests: list[dict[str, Any]]) -> Explorer:
    return cast("Explorer", Daemon(requests))


def test_without_an_id_the_newest_that_changed_something(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither one that only reads, nor one that still runs; the newest read if there is nothing else."""
    assert show(daemon(REQUESTS), "", "", "json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == 6
    assert show(daemon(REQUESTS[-1:]), "", "", "json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == 8


def test_all_of_a_pod_in_one_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """The newest with that name, and the pulls for it, which know no id; without those that read."""
    assert show(daemon(REQUESTS), "", "shop/web", "trace-event") == 0
    trace = json.loads(capsys.readouterr().out)
    assert trace["otherData"]["requests"] == [3, 4, 6]
    assert [event["args"] for event in trace["traceEvents"] if event["name"] == "process_name"] == [
        {"name": "pod shop/web"}
    ]


def test_all_of_a_pod_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One waterfall below the other; a list of records."""
    assert show(daemon(REQUESTS), "", "shop/web", "text") == 0
    heads = [line.split()[:2] for line in capsys.readouterr().out.splitlines() if " OK  2025-11-2" in line]
    assert heads == [["PullImage", "3"], ["RunPodSandbox", "4"], ["StartContainer", "6"]]
    assert show(daemon(REQUESTS), "", "shop/web", "json") == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["requests"]] == [3, 4, 6]


@pytest.mark.parametrize(
    ("requests", "pod", "said"),
    [
        ([], "", "no request has been answered yet"),
        ([], "shop/web", "no request about a pod shop/web is remembered; none about any pod is"),
        (REQUESTS, "shop/\x1b", r"no request about a pod shop/\x1b is remembered; those of shop/web, other/web are"),
        ([RECORD], "shop/web", "no request about a pod shop/web is remembered; none about any pod is"),
    ],
)
def test_what_is_not_there(
    capsys: pytest.CaptureFixture[str], requests: list[dict[str, Any]], pod: str, said: str
) -> None:
    """One sentence, and exit code 1; a daemon of the release before names no pods."""
    assert show(daemon(requests), "", pod, "text") == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"{said}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "text"], "--format is an option of `cri-shim hops show`"),
        (["--format", "json", "slowest"], "--format is an option of `cri-shim hops show`"),
        (["--pod", "a/b"], f"--pod is an option of `cri-shim hops show`, {ALSO}"),
        (["--pod", "a/b", "show", "1"], f"--pod is an option of `cri-shim hops show`, {ALSO}"),
        (["--seconds", "1", "show"], "--seconds is an option of `cri-shim hops record`"),
        (["--listen", "127.0.0.1:1"], "--listen is an option of `cri-shim hops open`"),
        (["--replay"], "--replay is an option of `cri-shim hops open`"),
        (["--recording", "f", "-f"], RECORDED),
        (["--recording", "f", "record", "g"], RECORDED),
        (["--recording", "f", "open", "g"], RECORDED),
        (["open"], "cri-shim hops open takes one FILE"),
        (["--format", "html", "open", "f"], "--format is an option of `cri-shim hops show`"),
        (["show", "one"], TAKES),
        (["record"], TAKES),
    ],
)
def test_options_in_the_wrong_place(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    """They are not ignored."""
    assert main(["hops", "--address", "127.0.0.1:1", *arguments]) == 2
    assert capsys.readouterr().err == f"{said}\n"
