"""Keep in a file what containerd's spans taught about transport, so that it survives restarts and tracing being off.

The file is written seldom and in whole, to a temporary file that is renamed. What another version of containerd taught
is discarded.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import structlog

from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.small_file import read_small_file
from cri_shim.kernel.write_file import write_file
from cri_shim.ledger.transport.load_factor import LEVELS
from cri_shim.ledger.transport.method_transport import KINDS, REMEMBERED, Observation
from untrusted import DocumentError, Object, encodable, parse_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cri_shim.ledger.transport.method_transport import Key, MethodTransport

EVERY: Final = 300.0
"""The least number of seconds between two writes; the end of the daemon writes the rest."""
FIRST: Final = 30.0
"""Seconds until the first write."""
LARGEST: Final = 1 << 20
"""The most bytes of the file."""
LONGEST_NAME: Final = 128
"""The most characters of a method's name."""
_VERSION: Final = "v1"
_MOST: Final = 1e6  # the limit of ratios and of seconds: larger ones were not measured

log = structlog.get_logger(__name__)


class LearnedFile:
    """The file at ``path``; ``containerd`` returns the version of the running containerd, empty while it is unknown."""

    def __init__(self, path: Path, methods: MethodTransport, containerd: Callable[[], str]) -> None:
        self._path = path
        self._methods = methods
        self._containerd = containerd
        self._of = ""
        """The version of containerd whose spans the present knowledge comes from."""
        self._written = 0
        """How many hops had been noted at the last write; a failed write is repeated when there is something new."""
        self._writing = asyncio.Lock()

    async def read(self) -> None:
        """Take in what an earlier daemon has learned; a file in another form is ignored with a warning."""
        try:
            document = await run(FS, _read, self._path)
        except FileNotFoundError:
            return
        except (OSError, DocumentError) as error:
            log.warning("ledger.learned_not_read", path=str(self._path), error=str(error))
            return
        self._of, learned = document
        self._methods.restore(learned)

    async def run(self) -> None:
        """Write the file at intervals, for ever."""
        while not self._containerd():  # noqa: ASYNC110 - known within moments, and once
            await asyncio.sleep(1)
        self._forget_others()
        pause = FIRST
        while True:
            await asyncio.sleep(pause)
            pause = EVERY
            await self.write()

    async def write(self) -> None:
        """Write what was learned since the last write, if anything."""
        self._forget_others()
        async with self._writing:  # the daemon may end during a write, and there is only one temporary file
            if self._methods.noted == self._written:
                return
            noted, learned = self._methods.noted, list(self._methods.all())
            try:
                await run(FS, _write, self._path, self._of, learned)
            except OSError as error:
                log.warning("ledger.learned_not_written", path=str(self._path), error=str(error))
            self._written = noted

    def _forget_others(self) -> None:
        """Discard what another version of containerd taught than the one that runs now."""
        here = self._containerd()
        if not here:
            return
        if self._of and self._of != here:
            self._methods.forget()
        self._of = here


def _write(path: Path, containerd: str, learned: list[tuple[Key, list[Observation]]]) -> None:
    """Write everything. This runs in a thread, because twenty thousand numbers take several milliseconds."""
    methods = [
        {
            "rpc": rpc,
            "hop": hop,
            "level": level,
            "seen": [[float(f"{number:.4g}") for number in one] for one in seen],
        }
        for (rpc, hop, level), seen in learned
    ]
    draft = path.with_name(f".{path.name}.tmp")
    write_file(
        draft, json.dumps({"version": _VERSION, "containerd": containerd, "methods": methods}).encode(), mode=0o600
    )
    draft.replace(path)


def _read(path: Path) -> tuple[str, list[tuple[Key, list[Observation]]]]:
    """Read the file; raises OSError, and DocumentError for a content that this daemon would not have written."""
    document = parse_object(read_small_file(path, LARGEST))
    if (version := document.text("version")) != _VERSION:
        raise DocumentError(f"version {version[:LONGEST_NAME]!r} is not {_VERSION}")
    methods = document.objects("methods")[-KINDS:]
    return document.text("containerd")[:LONGEST_NAME], [_method(method) for method in methods]


def _method(method: Object) -> tuple[Key, list[Observation]]:
    rpc, hop = (encodable(method.text(name))[:LONGEST_NAME] for name in ("rpc", "hop"))
    seen = method.value("seen")
    if not isinstance(seen, list):
        raise DocumentError(f"{method.where('seen')} is not a list")
    level = method.integer("level", least=0, most=len(LEVELS))
    return (rpc, hop, level), [_seen(method, one) for one in seen[-REMEMBERED:]]


def _seen(method: Object, one: Any) -> Observation:
    numbers = one if isinstance(one, list) and len(one) == len(Observation._fields) else []
    if not numbers or not all(_is_measured(number) for number in numbers):
        raise DocumentError(
            f"{method.where('seen')} holds an entry that is not {len(Observation._fields)} numbers from 0 to {_MOST:g}"
        )
    return Observation(*map(float, numbers))


def _is_measured(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= _MOST
