"""Ask the running daemon through its local HTTP listener, which the configuration leads to."""

from __future__ import annotations

import http.client
import os
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from cri_shim.kernel.small_file import read_small_file
from untrusted import DocumentError, decode_utf8, escaped, parse_object, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.config import Config

_PATIENCE = 10.0  # seconds
_UNIX = "unix://"
_LONGEST_ADDRESS = 4096  # bytes
_LONGEST_ANSWER = 400  # characters of what another server says


class UnreachableError(Exception):
    """The daemon could not be asked; the message says what to check."""


class Explorer:
    """The listener at ``address``: ``127.0.0.1:9735``, with or without ``http://``, ``unix:///path`` or a path."""

    def __init__(self, address: str) -> None:
        self._address = f"{_UNIX}{address}" if address.startswith("/") else address.removeprefix("http://").rstrip("/")

    @classmethod
    def of(cls, config: Config) -> Explorer:
        """Return the listener of the daemon that serves with ``config``.

        A running daemon has written its address to a file, because the kernel may have chosen the port.
        """
        try:
            address = os.fsdecode(read_small_file(Path(config.state, "http-address"), _LONGEST_ADDRESS)).strip()
        except OSError:
            address = config.http.address
        if not address:
            raise UnreachableError(
                "the HTTP listener is off; set [http] address in the configuration and restart cri-shim"
            )
        return cls(address)

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON at ``path``.

        Raises ``UnreachableError``, and ``KeyError`` if the path is not found.
        """
        asked = urlencode(query, errors="surrogateescape")
        with closing(self._connection(_PATIENCE)) as connection:
            response = self._answer(connection, f"{path}?{asked}" if asked else path)
            if response.status == http.client.NOT_FOUND:
                raise KeyError(path)
            return self._document(self._body(response))

    def live(self) -> Iterator[tuple[str, Any]]:
        """Yield server-sent events, name and data, until the daemon ends.

        Raises ``UnreachableError``.
        """
        with closing(self._connection(None)) as connection:
            name = ""
            response = self._answer(connection, "/api/live")
            if response.status != http.client.OK:
                self._body(response)
            for raw in response:
                field, _, value = raw.rstrip(b"\n").partition(b": ")
                if field == b"event":
                    name = decode_utf8(value)
                elif field == b"data":
                    yield name, self._document(value)

    def not_ours(self) -> str:
        """Return what to say about an answer that is not one of cri-shim's."""
        return f"what answers at {escaped(self._address)} is not cri-shim; name its listener with --address"

    def _document(self, body: bytes) -> dict[str, Any]:
        try:
            return parse_object(body).plain()
        except DocumentError as error:
            raise UnreachableError(f"{self.not_ours()} ({error})") from None

    def _connection(self, patience: float | None) -> http.client.HTTPConnection:
        if self._address.startswith(_UNIX):
            return _UnixConnection(self._address.removeprefix(_UNIX), patience)
        try:
            return http.client.HTTPConnection(self._address, timeout=patience)
        except http.client.InvalidURL as error:
            raise UnreachableError(f"{escaped(self._address)} is not a listener's address: {error}") from error

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        """Return the body of a successful response.

        Raises ``UnreachableError`` with the daemon's message otherwise.
        """
        body = response.read()
        if response.status != http.client.OK:
            said = shorten(body.decode(errors="replace").strip() or response.reason, _LONGEST_ANSWER)
            where = escaped(self._address)
            raise UnreachableError(f"cri-shim at {where} answers {response.status}: {escaped(said, len(said))}")
        return body

    def _answer(self, connection: http.client.HTTPConnection, path: str) -> http.client.HTTPResponse:
        try:
            connection.request("GET", path)
            return connection.getresponse()
        except UnicodeError as error:
            raise UnreachableError(f"{escaped(self._address)} is not a listener's address: no host has it") from error
        except (OSError, http.client.HTTPException) as error:
            reason = escaped(getattr(error, "strerror", None) or str(error) or type(error).__name__)
            raise UnreachableError(
                f"cri-shim does not answer at {escaped(self._address)}: {reason.lower()}; is it running? "
                "--config FILE or --address ADDRESS names another one"
            ) from error


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, patience: float | None) -> None:
        super().__init__("localhost", timeout=patience)
        self._path = path
        self._patience = patience

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._patience)
        self.sock.connect(self._path)
