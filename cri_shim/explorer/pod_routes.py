"""Answer ``/api/pods`` and ``/api/pods/ID``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from cri_shim.explorer.list_answer import list_answer
from cri_shim.explorer.pods_json import AmbiguousPodError, one_pod, pod_list
from cri_shim.explorer.query import absent, number
from cri_shim.ledger.packed import unpacked
from cri_shim.ledger.record_json import summary

if TYPE_CHECKING:
    from cri_shim.explorer.web_sources import WebSources

_MOST_PODS: Final = 2000
_LONGEST_ID: Final = 128


class PodRoutes:
    """The pods that exist, and those that only the ledger remembers."""

    def __init__(self, sources: WebSources) -> None:
        self._sources = sources

    def routes(self) -> list[web.RouteDef]:
        """Return the routes for the application."""
        return [web.get("/api/pods", self._pods), web.get("/api/pods/{id}", self._pod)]

    async def _pods(self, request: web.Request) -> web.Response:
        limit = min(number("limit", request.query.get("limit", "500")), _MOST_PODS)
        pods = await pod_list(self._sources.pods(), self._sources.ledger.every(), self._sources.reads)
        return await list_answer("pods", pods[:limit], count=len(pods))

    async def _pod(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        if not id_.isascii() or len(id_) > _LONGEST_ID:
            raise web.HTTPBadRequest(text=f"the id of a pod has at most {_LONGEST_ID} ASCII characters\n")
        try:
            matched = await one_pod(id_, self._sources.pods(), self._sources.ledger.every(), self._sources.reads)
        except AmbiguousPodError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        if matched is None:
            return absent(request, "this pod does not exist, and no request about it is remembered")
        pod, requests = matched
        rows = (summary(unpacked(one)) for one in requests)
        return await list_answer("requests", rows, ledger=self._sources.ledger.enabled, **pod)
