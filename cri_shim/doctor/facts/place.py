"""Where the doctor runs: the user, the kind of node, and where its files are."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from msgspec import Struct


class Place(Struct, frozen=True):
    """The node as this process sees it. ``root`` is ``/`` except in tests; ``uid`` is the effective user."""

    root: Path = Path("/")
    uid: int = 0
    systemd: bool = True
    """Whether systemd is the node's service manager, so that ``systemctl`` works."""

    @classmethod
    def here(cls) -> Place:
        """Return this process's own place."""
        # sd_booted(3) decides the same way.
        return cls(uid=os.geteuid(), systemd=Path("/run/systemd/system").is_dir())

    @property
    def is_root(self) -> bool:
        """Whether the doctor runs as root and so sees everything."""
        return self.uid == 0

    @property
    def proc(self) -> Path:
        """The directory /proc."""
        return self.root / "proc"

    def at(self, path: str) -> Path:
        """Return where an absolute path of the node is."""
        return self.root / path.lstrip("/")

    def service(self, action: str, unit: str) -> str:
        """Return the remedy that starts or restarts a service."""
        return f"$ systemctl {action} {unit}" if self.systemd else f"{action} {unit}, as your service manager does"

    def sudo(self) -> str:
        """Return the remedy for what only root can see."""
        return "$ sudo cri-shim doctor"


def quoted(text: str | Path) -> str:
    """Return a file name or another word in a form that a shell reads as one word."""
    return shlex.quote(str(text))
