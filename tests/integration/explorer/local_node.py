"""A page without a node: a ledger and its listener in the process of the test, which decides what happens, and when."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from cri_shim.daemon.about_pods import about_pods
from cri_shim.explorer.http_server import HttpListener
from cri_shim.explorer.web_sources import WebSources
from cri_shim.ledger.known_names import KnownNames
from cri_shim.ledger.ledger import Ledger
from cri_shim.rpc import RPCS, Kind
from cri_shim.state.containers import Container
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

    from cri_shim.ledger.request import Request

LIVE = "#live[data-state=open]"
UNKNOWN = dict.fromkeys(("front_ms", "front_error_ms", "null_hop_ms", "null_hop_error_ms"))


class LocalNode:
    """A state and a ledger, and the listener that shows both."""

    def __init__(self, state: Path, ledger: type[Ledger] = Ledger) -> None:
        self.sandboxes, self.containers = Index[Sandbox]("sandbox"), Index[Container]("container")
        self.ledger = ledger(names=KnownNames(self.sandboxes, self.containers).of)
        about = {"version": "1", "containerd_version": "2", "front_known": "none", "loop_lag_ms": 0.0, "pods": 0}
        sources = WebSources(
            self.ledger,
            metrics=lambda _: (b"", "text/plain"),
            node=lambda: {**about, **UNKNOWN, "containers": 0, "ready": True},
            reads=frozenset(name for name, rpc in RPCS.items() if rpc.kind is Kind.READ),
            pods=about_pods(self.sandboxes, self.containers),
        )
        self.listener = HttpListener("127.0.0.1:0", state, sources)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{self.listener.address}"

    def note(self, method: str, code: str = "OK", **subject: str) -> Request:
        """Record a request."""
        request = self.ledger.open(method)
        request.subject = subject
        self.ledger.close(request, code)
        return request


async def opened(page: Page, node: LocalNode, address: str = "") -> None:
    """Show a view, and wait until it is live.

    Chromium drops what it loads whenever an interface of a pod comes or goes on this machine, so a page that does not
    get far is loaded once more.
    """
    from playwright.async_api import Error

    with contextlib.suppress(Error):
        await page.goto(f"{node.url}/{address}")
    for _ in range(4):
        with contextlib.suppress(Error):
            await page.wait_for_selector(LIVE, timeout=8000)
            return
        with contextlib.suppress(Error):
            await page.reload()
    await page.wait_for_selector(LIVE)
