"""The architectures whose pod starts are recorded: how each is set up, and how what it does is observed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from cri_shim import __version__
from lab.compare import PLUGIN_SETTINGS
from lab.lab import Lab
from lab.pod_starts.form import REQUESTS

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from lab.pod_starts.form import Step
    from lab.pod_starts.observed import Observed
    from lab.registry import Registry

_A_VERSION: Final = re.compile(r"\d+\.\d+[\w.+~-]*")
TO_SHIM: Final = {
    "from": "containerd",
    "to": "shim",
    "why": "calls on the shim's own socket (ttrpc): neither of the two reports them; programs that are run are seen",
}
INSIDE: Final = {
    "from": "containerd",
    "to": "containerd",
    "why": "the plugin calls containerd by functions, and this version exports no spans",
}


def version_of(program: str, *arguments: str) -> str:
    """Return the version that a program prints."""
    printed = subprocess.run([program, *(arguments or ("--version",))], capture_output=True, text=True, check=False)
    match = _A_VERSION.search(printed.stdout or printed.stderr)
    return match[0] if match else "not known"


@dataclass(slots=True)
class Side(ABC):
    """One architecture: a CRI server with what is behind it, below a directory of its own."""

    directory: Path
    registry: Registry
    name: ClassVar[str]
    title: ClassVar[str]
    notes: ClassVar[tuple[str, ...]] = ()
    not_observed: ClassVar[tuple[dict[str, str], ...]] = (TO_SHIM,)

    @abstractmethod
    def serve(self, stack: ExitStack) -> str:
        """Start everything, leave the undoing to ``stack``, and return the endpoint."""

    @abstractmethod
    def daemons(self) -> dict[int, str]:
        """Return the process id and the part of each daemon."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Return the version of each program."""

    def after_each(self, observed: Observed) -> None:  # noqa: B027 - most sides have nothing to do here
        """Take what has to be asked for while the pod still runs."""

    @abstractmethod
    def steps(self, observed: Observed) -> list[Step]:
        """Return the steps of one start, after all have been observed and ``stack`` of the taps is closed."""

    def remarks(self) -> list[str]:
        """Return what a reader of the record must know."""
        return list(self.notes)

    @property
    def host(self) -> str:
        """The registry under the one name that every side asks without TLS."""
        return self.registry.address.replace("127.0.0.1", "localhost")


@dataclass(slots=True)
class Plugin(Side):
    """containerd's own CRI plugin, in the version that is installed."""

    lab: Lab = field(init=False)
    binaries: Path | None = None
    name: ClassVar[str] = "plugin-1.6"
    title: ClassVar[str] = "CRI plugin of containerd 1.6"
    not_observed: ClassVar[tuple[dict[str, str], ...]] = (INSIDE, TO_SHIM)
    spans_to: str = ""

    def serve(self, stack: ExitStack) -> str:
        """Start containerd with its plugin."""
        self.lab = Lab("plugin", self.directory, dict(PLUGIN_SETTINGS), registry=self.registry, spans_to=self.spans_to)
        stack.callback(self.lab.tear_down)
        before = os.environ.pop("CONTAINERD_BINARIES", None)
        try:
            if self.binaries is not None:
                os.environ["CONTAINERD_BINARIES"] = str(self.binaries)
            self.lab.prepare()
        finally:
            os.environ.pop("CONTAINERD_BINARIES", None)
            if before is not None:
                os.environ["CONTAINERD_BINARIES"] = before
        self.lab.serve()
        return self.lab.endpoint

    def daemons(self) -> dict[int, str]:
        """Return containerd."""
        return {self.lab.containerd.daemon.pid: "containerd"}

    def versions(self) -> dict[str, str]:
        """Return containerd and runc."""
        return {"containerd": ".".join(map(str, self.lab.containerd.version)), "runc": version_of("runc")}

    def steps(self, observed: Observed) -> list[Step]:
        """Return requests and programs."""
        return observed.steps("containerd")


@dataclass(slots=True)
class Bridge(Side):
    """This daemon in front of containerd."""

    lab: Lab = field(init=False)
    name: ClassVar[str] = "cri-shim"
    title: ClassVar[str] = "cri-shim"
    _records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def serve(self, stack: ExitStack) -> str:
        """Start containerd without its plugin, and the daemon."""
        self.lab = Lab("bridge", self.directory, registry=self.registry)
        stack.callback(self.lab.tear_down)
        self.lab.prepare()
        self.lab.serve()
        self._get("/api/node")  # loads what serves the ledger, so that no start pays for it
        return self.lab.endpoint

    def daemons(self) -> dict[int, str]:
        """Return both."""
        return {self.lab.containerd.daemon.pid: "containerd", self.lab.bridge.daemon.pid: "cri-shim"}

    def versions(self) -> dict[str, str]:
        """Return cri-shim, containerd and runc."""
        return {
            "cri-shim": __version__,
            "containerd": ".".join(map(str, self.lab.containerd.version)),
            "runc": version_of("runc"),
        }

    def after_each(self, observed: Observed) -> None:
        """Take the ledger's records."""
        self._records[observed.pod] = [self._newest(rpc) for rpc in REQUESTS]

    def steps(self, observed: Observed) -> list[Step]:
        """Return requests, hops, CNI plugins and the other programs."""
        programs = observed.steps("cri-shim", without=frozenset({"CNI"}))
        return programs + observed.of_ledger("cri-shim", self._records[observed.pod])

    def _newest(self, rpc: str) -> dict[str, Any]:
        answer = self._get(f"/api/requests?method={rpc}&limit=1")
        return self._get(f"/api/requests/{answer['requests'][0]['id']}")

    def _get(self, path: str) -> dict[str, Any]:
        address = (self.lab.state / "http-address").read_text().strip()
        with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
