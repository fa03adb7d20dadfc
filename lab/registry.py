"""Run a real registry for the tests: Debian's docker-registry on a loopback port, with its storage in a directory.

Its access log is read back as a list of requests, with which tests count downloads.
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

from lab.patience import patient

if TYPE_CHECKING:
    from pathlib import Path

    from lab.certificates import Authority

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
{more}"""

TLS = """\
  tls:
    certificate: {certificate}
    key: {key}
{clients}"""

BASIC = """\
auth:
  htpasswd:
    realm: test
    path: {file}
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the access log."""

    method: str
    path: str
    status: int


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Registry:
    """A running registry; ``address`` is ``127.0.0.1:PORT``."""

    address: str
    directory: Path
    process: subprocess.Popen[bytes]
    tls: bool = False
    _seen: int = field(default=0)

    @classmethod
    def installed(cls) -> bool:
        """Return whether this machine has the docker-registry program."""
        return shutil.which("docker-registry") is not None

    @classmethod
    def start(
        cls,
        directory: Path,
        port: int = 0,
        *,
        tls: Authority | None = None,
        client_ca: Authority | None = None,
        login: tuple[str, str] | None = None,
    ) -> Registry:
        """Start one with its storage, configuration and log in ``directory``, and wait until it answers.

        With ``tls`` it serves HTTPS with a certificate of that authority; with ``client_ca`` only to clients with a
        certificate of that one; with ``login`` (user, password) it requires Basic authentication. It has what was
        pushed to an earlier registry in the same directory.
        """
        directory.mkdir(parents=True, exist_ok=True)
        address = f"127.0.0.1:{port or free_port()}"
        config = directory / "registry.yml"
        more = _tls(tls, client_ca) if tls is not None else ""
        if login is not None:
            more += BASIC.format(file=_htpasswd(directory / "htpasswd", *login))
        config.write_text(CONFIG.format(storage=directory / "storage", address=address, more=more))
        with (directory / "registry.log").open("ab") as log:
            process = subprocess.Popen(
                ["docker-registry", "serve", str(config)], stdout=log, stderr=log, start_new_session=True
            )
        registry = cls(address, directory, process, tls is not None)
        try:
            registry._wait(15)
        except BaseException:
            registry.stop()
            raise
        return registry

    def stop(self) -> None:
        """Stop it; doing so twice is fine."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patient(5))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(patient(5))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def requests(self) -> list[Request]:
        """Return every request that was answered since :meth:`forget`, in order."""
        requests = [
            Request(match["method"], match["path"], int(match["status"]))
            for match in map(ACCESS.search, self.log().splitlines())
            if match
        ]
        return requests[self._seen :]

    def forget(self) -> None:
        """Forget the requests so far."""
        self._seen = 0
        self._seen = len(self.requests())

    def log(self) -> str:
        """Return what it has printed so far."""
        return (self.directory / "registry.log").read_text(errors="replace")

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + patient(seconds)
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"docker-registry ended with {self.process.returncode}: {self.log()[-2000:]}")
            connection = http.client.HTTPConnection(self.address, timeout=patient(1))
            with contextlib.suppress(OSError), contextlib.closing(connection):
                if self.tls:
                    connection.connect()  # whom it authorises is for the test to check
                    return
                connection.request("GET", "/v2/")
                if connection.getresponse().status in {200, 401}:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"docker-registry at {self.address} did not answer within {seconds} s: {self.log()[-2000:]}")


def _tls(authority: Authority, client_ca: Authority | None) -> str:
    certificate, key = authority.issue("server")
    clients = f"    clientcas: [{client_ca.certificate}]\n" if client_ca is not None else ""
    return TLS.format(certificate=certificate, key=key, clients=clients)


def _htpasswd(file: Path, user: str, password: str) -> Path:
    """Write a file of one user with Debian's htpasswd; the registry takes bcrypt only."""
    command = ["htpasswd", "-niB", "-C", "4", user]
    done = subprocess.run(command, input=password, text=True, capture_output=True, check=True)
    file.write_text(done.stdout)
    return file
