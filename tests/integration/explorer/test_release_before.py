"""This page before a daemon of the release before, and that release's page before this daemon.

A page stays open in a browser while the daemon is upgraded below it, or downgraded. The answers of the release before
are recorded (record_release.py makes such a file); its page is read from the history of the repository.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.integration.explorer.appearance import drawn, inspect, needs_axe, open_view, views

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from playwright.async_api import Page, Route

    from tests.integration.explorer.conftest import Explorer

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PAGE = ROOT / "cri_shim" / "explorer" / "page"


def newest(recordings: Iterable[Path]) -> Path:
    """Return the recording of the highest version, of which 0.10.0 is higher than 0.9.0."""
    return max(recordings, key=lambda file: [int(part) for part in file.stem.split("_")[1:]])


RECORDED = newest(HERE.glob("release_*.json"))
ANSWERS: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"


async def _older_api(request: web.Request) -> web.StreamResponse:
    if request.path == "/api/live":
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for name, data in ANSWERS[request.path]:
            await stream.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
        await asyncio.Event().wait()  # until the page is closed
    answer = ANSWERS.get(request.path)
    if answer is None:
        raise web.HTTPNotFound(text="this request is not remembered\n")
    if request.path == "/api/requests":
        method, slowest = request.query.get("method", ""), request.query.get("slowest") == "1"
        chosen = [one for one in answer["requests"] if method in {"", one["method"]}]
        if slowest:
            chosen.sort(key=lambda one: -one["bill"]["wall_ms"])
        return web.json_response({"requests": chosen[: int(request.query.get("limit", "100"))]})
    return web.json_response(answer)


async def _page(request: web.Request) -> web.Response:
    file = PAGE / request.match_info.get("name", "index.html")
    if not file.is_file():
        raise web.HTTPNotFound
    kind = mimetypes.guess_type(file.name)[0]
    return web.Response(body=file.read_bytes(), content_type=kind, headers={"Content-Security-Policy": POLICY})


@pytest_asyncio.fixture(loop_scope="session")
async def older() -> AsyncIterator[str]:
    """The address of this page with the answers of the release before."""
    application = web.Application()
    application.add_routes([web.get("/", _page), web.get("/page/{name}", _page), web.get("/api/{path:.*}", _older_api)])
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@needs_axe
async def test_this_page_before_a_daemon_of_the_release_before(older: str, page: Page):
    """Every view shows what that daemon answers; what it cannot answer is missing with a sentence."""
    seen = await views(page, older)
    assert {"requests", "request", "pods", "pod", "methods", "architecture"} <= set(seen)
    wrong = []
    for kind, address in seen.items():
        await open_view(page, older, address)
        text = await page.inner_text("main")
        assert "undefined" not in text, kind
        assert "NaN" not in text, kind
        wrong += await inspect(page, kind)
    assert not wrong, "\n".join(wrong)
    for path, answer in ANSWERS.items():
        if path.startswith("/api/requests/"):
            await open_view(page, older, f"#/request/{answer['id']}")
            text = await page.inner_text("#request")
            assert answer["method"] in text
            assert f"{answer['bill']['price_ms']:.3f}" in text or answer["running"], path
            assert "undefined" not in text, path


def page_of_the_release_before() -> dict[str, bytes]:
    """Return the files of the last release's page by their names; skip the test where there is no history."""
    git = ["git", "-C", str(ROOT)]
    last = subprocess.run(
        [*git, "log", "-1", "--format=%H", "--grep=^release: "], capture_output=True, text=True, check=False
    )
    commit = last.stdout.strip()
    if not commit:
        pytest.skip("the history of this checkout does not go back to a release")
    folder = f"{commit}:cri_shim/explorer/page"
    names = subprocess.run([*git, "ls-tree", "--name-only", folder], capture_output=True, text=True, check=True).stdout
    return {name: subprocess.check_output([*git, "show", f"{folder}/{name}"]) for name in names.split()}


async def test_the_page_of_the_release_before_with_this_daemon(explorer: Explorer, page: Page):
    """A page that was loaded before an upgrade goes on: all of its views are drawn, and the console stays silent."""
    files = page_of_the_release_before()

    async def older_file(route: Route) -> None:
        name = route.request.url.rpartition("/")[2].partition("#")[0] or "index.html"
        await route.fulfill(body=files[name], content_type=mimetypes.guess_type(name)[0])

    await page.route(lambda url: url.rpartition("/")[2].partition("#")[0] in {*files, ""}, older_file)
    newest = await explorer.newest("RunPodSandbox")
    await page.goto(explorer.url)
    await page.wait_for_selector("#rows a")
    await page.goto(f"{explorer.url}/#/request/{newest['id']}")
    await page.wait_for_selector(".waterfall")
    assert "undefined" not in await page.inner_text("#request")
    for view in ("methods", "architecture"):
        await page.goto(f"{explorer.url}/#/{view}")
        await drawn(page)
        assert "undefined" not in await page.inner_text("main")
        assert await page.locator(f"#{view} :is(.totals td, svg)").count() > 0
    pod = await explorer.run_pod(name="after-the-upgrade")
    await page.goto(f"{explorer.url}/#/requests")
    await page.locator("#rows a", has_text="after-the-upgrade").first.wait_for()
    await pod.remove()


def missing(before: Any, now: Any, where: str = "") -> list[str]:
    """Return what an older client relies on and would not find: names, and the kinds of their values."""
    if isinstance(before, dict):
        if now is None and where.endswith(".typical"):
            return []  # there are not enough requests of the method yet
        if not isinstance(now, dict):
            return [f"{where} is no object"]
        return [
            problem
            for name, value in before.items()
            for problem in ([f"{where}.{name}"] if name not in now else missing(value, now[name], f"{where}.{name}"))
        ]
    if isinstance(before, list):
        if not isinstance(now, list):
            return [f"{where} is no list"]
        return missing(before[0], now[0], f"{where}[]") if before and now else []
    number = isinstance(before, (int, float)) and not isinstance(before, bool)
    same = before is None or now is None or isinstance(now, (int, float) if number else type(before))
    return [] if same else [f"{where} was {before!r} and is {now!r}"]


async def test_no_name_of_the_api_has_gone(explorer: Explorer):
    """Names may be added, but an older page, terminal or script reads the ones that it knows."""
    pod = await explorer.run_pod(name="names")
    await pod.start("app")
    await pod.remove()
    for path, before in ANSWERS.items():
        if path == "/api/live":
            continue
        if path.startswith("/api/pods/"):
            assert missing(before, await explorer.get(f"/api/pods/{pod.id}")) == [], path
        elif path.startswith("/api/requests/"):
            if before["code"] != "OK":
                continue
            now = await explorer.get(f"/api/requests/{(await explorer.newest(before['method']))['id']}")
            assert missing({name: before[name] for name in before if name != "subject"}, now) == [], path
        else:
            assert missing(before, await explorer.get(path)) == [], path
