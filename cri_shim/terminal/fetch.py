"""Asking the running daemon: its local HTTP listener, found through the configuration."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.config import Config

_PATIENCE = 10.0  # seconds


class UnreachableError(Exception):
    """The daemon could not be asked; the message says what to look at."""


class Explorer:
    """The listener at ``address`` (``127.0.0.1:9735``)."""

    def __init__(self, address: str) -> None:
        self._address = address

    @classmethod
    def of(cls, config: Config) -> Explorer:
        """The listener of the daemon that serves with ``config``.

        A daemon that runs has written its address down, for the port may have been its own choice.
        """
        try:
            address = Path(config.state, "http-address").read_text(encoding="ascii").strip()
        except OSError:
            address = config.http.address
        if not address:
            raise UnreachableError(
                "the HTTP listener is off; set [http] address in the configuration and restart cri-shim"
            )
        return cls(address)

    def get(self, path: str, **query: str) -> Any:
        """The JSON at ``path``; raises UnreachableError, and KeyError for what is not there."""
        with closing(self._connection(_PATIENCE)) as connection:
            response = self._answer(connection, f"{path}?{urlencode(query)}" if query else path)
            if response.status == http.client.NOT_FOUND:
                raise KeyError(path)
            return json.loads(response.read())

    def live(self) -> Iterator[tuple[str, Any]]:
        """Server-sent events, name and data, until the daemon ends; raises UnreachableError."""
        with closing(self._connection(None)) as connection:
            name = ""
            for raw in self._answer(connection, "/api/live"):
                field, _, value = raw.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield name, json.loads(value)

    def _connection(self, patience: float | None) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=patience)

    def _answer(self, connection: http.client.HTTPConnection, path: str) -> http.client.HTTPResponse:
        try:
            connection.request("GET", path)
            return connection.getresponse()
        except OSError as error:
            reason = error.strerror or str(error)
            raise UnreachableError(
                f"cri-shim does not answer at {self._address}: {reason.lower()}; does it run?"
            ) from error
