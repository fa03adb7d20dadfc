"""A registry that misbehaves on purpose, and remembers every request.

It serves images from memory. What goes wrong is said beforehand, per blob or per path; everything else is served right.
"""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from lab.images import Image, Index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: method, path and where its range begins."""

    method: str
    path: str
    offset: int


@dataclass(slots=True)
class FaultyRegistry:
    """Serves ``images`` (``repo:tag`` → image) on a loopback port while its ``with`` block lasts."""

    images: Mapping[str, Image | Index]
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """Digest → after how many bytes each next answer breaks off."""
    lies: dict[str, bytes] = field(default_factory=dict)
    """Digest or path → other bytes that are sent for it."""
    answers: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    """Part of a path → status and headers of each next answer."""
    stalls: dict[str, float] = field(default_factory=dict)
    """Digest → seconds of silence in the middle of each answer."""
    guard: Callable[[Any, str], dict[str, str] | None] | None = None
    """Given headers and path of a request: headers of a 401 answer, or None to let it pass."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Digest → where its blob is to be got instead."""
    drip: dict[str, float] = field(default_factory=dict)
    """Digest → seconds between single bytes."""
    seen: list[dict[str, str]] = field(default_factory=list)
    """Headers of every request."""
    echo: bool = False
    """Whether an error tells the client what it had sent."""
    ignore_ranges: bool = False
    no_head: bool = False
    no_lengths: bool = False
    asked: list[Asked] = field(default_factory=list)
    _server: Any = None

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def count(self, part: str, method: str = "GET") -> int:
        """How many requests had ``part`` in their path."""
        return sum(part in one.path and one.method == method for one in self.asked)

    def __enter__(self) -> Self:
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry._answer(self, body=True)

            def do_HEAD(self) -> None:
                registry._answer(self, body=False)

            def log_message(self, *_: object) -> None:
                """Be silent."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _content_at(self, path: str) -> tuple[bytes, str, str] | None:
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", path)
        if not match:
            return None
        for name, image in self.images.items():
            repository, _, tag = name.rpartition(":")
            if repository != match[1]:
                continue
            if match[2] == "manifests":
                members = [image, *(image.images if isinstance(image, Index) else ())]
                for member in members:
                    if match[3] in {member.digest, tag if member is image else ""}:
                        return member.manifest, member.media_type, member.digest
            else:
                singles = image.images if isinstance(image, Index) else (image,)
                for single in singles:
                    blobs = {single.id: single.config} | {layer.digest: layer.blob for layer in single.layers}
                    if match[3] in blobs:
                        return blobs[match[3]], "application/octet-stream", match[3]
        return None

    def _answer(self, request: http.server.BaseHTTPRequestHandler, *, body: bool) -> None:
        path = request.path.partition("?")[0]
        ranged = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        offset = int(ranged[1]) if ranged else 0
        self.asked.append(Asked(request.command, path, offset))
        self.seen.append(dict(request.headers.items()))
        refused = self.guard(request.headers, path) if self.guard else None
        if refused is not None:
            self._short(request, 401, refused)
            return
        for digest, target in self.redirects.items():
            if digest in path:
                self._short(request, 307, {"Location": target})
                return
        for part, answers in self.answers.items():
            if part in path and answers:
                status, headers = answers.pop(0)
                self._short(request, status, headers)
                return
        answer = self._content_at(path)
        if answer is None:
            self._short(request, 404)
            return
        if not body and self.no_head:
            self._short(request, 405)
            return
        data, media_type, digest = answer
        data = self.lies.get(digest, data)
        if offset and not self.ignore_ranges:
            if offset >= len(data):
                self._short(request, 416)
                return
            data = data[offset:]
            request.send_response(206)
        else:
            request.send_response(200)
        request.send_header("Content-Type", media_type)
        request.send_header("Docker-Content-Digest", digest)
        if self.no_lengths and body:
            request.send_header("Connection", "close")
            request.close_connection = True
        else:
            request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if body:
            self._send(request, data, digest)

    def _short(
        self, request: http.server.BaseHTTPRequestHandler, status: int, headers: Mapping[str, str] | None = None
    ) -> None:
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        body = str(dict(request.headers.items())).encode() if self.echo and request.command == "GET" else b""
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _send(self, request: http.server.BaseHTTPRequestHandler, data: bytes, digest: str) -> None:
        cut = self.cuts[digest].pop(0) if self.cuts.get(digest) else len(data)
        half = len(data) // 2 if digest in self.stalls else 0
        with contextlib.suppress(OSError):
            for place in range(len(data) if digest in self.drip else 0):
                request.wfile.write(data[place : place + 1])
                request.wfile.flush()
                time.sleep(self.drip[digest])
            if digest in self.drip:
                return
            request.wfile.write(data[: min(half, cut)])
            request.wfile.flush()
            time.sleep(self.stalls.get(digest, 0))
            request.wfile.write(data[min(half, cut) : cut])
            request.wfile.flush()
            if cut < len(data):
                request.close_connection = True
                request.connection.shutdown(socket.SHUT_RDWR)
