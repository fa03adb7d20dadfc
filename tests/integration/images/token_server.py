"""A token server that the tests control, and the guard that a registry puts in front of itself for it."""

from __future__ import annotations

import base64
import http.server
import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class FakeTokenServer:
    """Gives tokens by Docker's protocol on a loopback port while its ``with`` block lasts.

    ``logins``: user → password; without any, everybody gets one. ``refresh``: identity tokens that are good.
    """

    logins: Mapping[str, str] = field(default_factory=dict)
    refresh: tuple[str, ...] = ()
    life: float = 300.0
    uses: int = 0
    """Requests that a token is good for; 0: until its life ends."""
    states_expiry: bool = True
    takes_post: bool = True
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers of each next answer."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Method and what was asked for, each time."""
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Token → its scope and its end."""
    used: dict[str, int] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)
    _server: Any = None

    @property
    def realm(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/token"

    def __enter__(self) -> Self:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                scheme, _, value = self.headers.get("Authorization", "").partition(" ")
                if scheme == "Basic":
                    query["username"], _, query["password"] = base64.b64decode(value).decode().partition(":")
                server._answer(self, query)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                server._answer(self, {name: values[0] for name, values in parse_qs(body).items()})

            def log_message(self, *_: object) -> None:
                """Be silent."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def guard(self, headers: Any, path: str) -> dict[str, str] | None:
        """What a registry answers 401 with; None when the request may pass."""
        repository = path.removeprefix("/v2/").rpartition("/")[0].rpartition("/")[0]
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        scope, end = self.tokens.get(token, ("", 0.0))
        if scheme == "Bearer" and f"repository:{repository}:pull" in scope.split() and time.monotonic() < end:
            self.used[token] = self.used.get(token, 0) + 1
            if not self.uses or self.used[token] <= self.uses:
                return None
        scope = f"repository:{repository}:pull"
        return {"WWW-Authenticate": f'Bearer realm="{self.realm}",service="test, registry",scope="{scope}"'}

    def _answer(self, request: http.server.BaseHTTPRequestHandler, asked: dict[str, str]) -> None:
        self.asked.append((request.command, asked))
        status, headers = self.answers.pop(0) if self.answers else (self._verdict(request.command, asked), {})
        document: dict[str, object] = {"detail": asked}  # a server that tells everybody what it was told
        if status == 200:
            token = f"tok-{next(self._numbers)}-geheim"
            self.tokens[token] = (asked.get("scope", ""), time.monotonic() + self.life)
            document = {"token": token} | ({"expires_in": self.life} if self.states_expiry else {})
        body = json.dumps(document).encode()
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _verdict(self, method: str, asked: Mapping[str, str]) -> int:
        if method == "POST" and not self.takes_post:
            return 404
        if asked.get("grant_type") == "refresh_token":
            return 200 if asked.get("refresh_token") in self.refresh else 401
        if not self.logins:
            return 200
        user = asked.get("username", "")
        return 200 if user in self.logins and self.logins[user] == asked.get("password") else 401
