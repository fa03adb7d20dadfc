"""A real registry for the tests: Debian's docker-registry on its own loopback port, with its storage in a directory.

Its access log is read back as a list of requests, which is how a test counts downloads.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

ACCESS = re.compile(r'"(?P<method>[A-Z]+) (?P<path>/v2/\S*) HTTP/[\d.]+" (?P<status>\d{3})')

CONFIG = """\
version: 0.1
log:
  accesslog:
    disabled: false
  level: error
storage:
  filesystem:
    rootdirectory: {storage}
  delete:
    enabled: true
  cache:
    blobdescriptor: inmemory
http:
  addr: {address}
  headers:
    X-Content-Type-Options: [nosniff]
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the access log."""

    method: str
    path: str
    status: int


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Registry:
    """A running registry; ``address`` is ``127.0.0.1:PORT``."""

    address: str
    directory: Path
    process: subprocess.Popen[bytes]
    _seen: int = field(default=0)

    @classmethod
    def installed(cls) -> bool:
        """Whether this machine has the docker-registry program."""
        return shutil.which("docker-registry") is not None

    @classmethod
    def start(cls, directory: Path, port: int = 0) -> Registry:
        """Start one with its storage, configuration and log in ``directory``, and wait until it answers."""
        directory.mkdir(parents=True, exist_ok=True)
        address = f"127.0.0.1:{port or free_port()}"
        config = directory / "registry.yml"
        config.write_text(CONFIG.format(storage=directory / "storage", address=address))
        with (directory / "registry.log").open("ab") as log:
            process = subprocess.Popen(
                ["docker-registry", "serve", str(config)], stdout=log, stderr=log, start_new_session=True
            )
        registry = cls(address, directory, process)
        try:
            registry._wait(15)
        except BaseException:
            registry.stop()
            raise
        return registry

    def stop(self) -> None:
        """End it; doing so twice is fine."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def requests(self) -> list[Request]:
        """Every request that was answered since :meth:`forget`, in order."""
        found = [
            Request(match["method"], match["path"], int(match["status"]))
            for match in map(ACCESS.search, self.log().splitlines())
            if match
        ]
        return found[self._seen :]

    def forget(self) -> None:
        """Let :meth:`requests` begin here."""
        self._seen = 0
        self._seen = len(self.requests())

    def log(self) -> str:
        """What it has printed so far."""
        return (self.directory / "registry.log").read_text(errors="replace")

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"docker-registry ended with {self.process.returncode}: {self.log()[-2000:]}")
            connection = http.client.HTTPConnection(self.address, timeout=1)
            with contextlib.suppress(OSError), contextlib.closing(connection):
                connection.request("GET", "/v2/")
                if connection.getresponse().status in {200, 401}:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"docker-registry at {self.address} did not answer within {seconds} s: {self.log()[-2000:]}")
