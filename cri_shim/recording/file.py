"""Read and write the file of a recording. docs/ledger.md documents the format.

The file is one JSON document. A file that is not a recording, is damaged or was made to harm is refused in one
sentence: its size is limited before it is read, every value has a type and limits, and texts are cleaned where they are
taken over. Nothing in it is ever executed or parsed as HTML.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from cri_shim.kernel.small_file import read_small_file
from cri_shim.recording.recorded_ledger import MOST_REQUESTS, RecordedLedger
from cri_shim.recording.restored import restored
from cri_shim.recording.shapes import EventShape, PodShape, RecordingShape, RequestShape
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FORMAT: Final = "cri-shim-recording"
VERSION: Final = 1
MOST_BYTES: Final = 64 << 20
MOST_EVENTS: Final = 100_000
MOST_PODS: Final = 5000
_MODE: Final = 0o600
_TEMPORARY: Final = ".cri-shim-recording-"
"""How the name of the unfinished file begins; with that of the recording in it, it could become too long."""
_BEGINNING: Final = b'{"format":"' + FORMAT.encode() + b'"'

Shape = TypeVar("Shape", bound=Struct)


class RecordingError(Exception):
    """The file is not a recording that can be read, or cannot be written; the message says why, and names it."""


class Recording(Struct, frozen=True):
    """A recording that has been read."""

    about: RecordingShape
    ledger: RecordedLedger
    pods: list[dict[str, Any]]
    """In the form of a POD of ``/api/pods``, without totals."""
    events: list[EventShape]
    calibration: dict[str, Any] | None


def read_recording(path: Path) -> Recording:
    """Read and check a recording; raises RecordingError."""
    try:
        data = read_small_file(path, MOST_BYTES)
    except OSError as error:
        raise RecordingError(f"cannot read {escaped(str(path))}: {error.strerror}") from error
    try:
        return _parsed(data)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise RecordingError(f"{escaped(str(path))} cannot be opened: {escaped(str(error), 400)}") from error


def _parsed(data: bytes) -> Recording:
    try:
        about = msgspec.json.decode(data, type=RecordingShape)
    except ValueError as error:
        if data.lstrip().startswith(_BEGINNING):
            raise ValueError(f"it is damaged: {error}") from error
        raise ValueError("it is not a recording of cri-shim") from error
    if about.format != FORMAT:
        raise ValueError("it is not a recording of cri-shim")
    if about.version != VERSION:
        raise ValueError(f"it has version {about.version} of the format, and this cri-shim reads version {VERSION}")
    requests = sorted(_each(about.requests, "request", RequestShape, MOST_REQUESTS), key=lambda one: one.id)
    if len({one.id for one in requests}) < len(requests):
        raise ValueError("it has two requests with the same id")
    calibration = msgspec.json.decode(about.calibration)
    return Recording(
        about=msgspec.convert(cleaned(_plain(about)), RecordingShape),
        ledger=RecordedLedger(restored(one) for one in requests),
        pods=[cleaned(msgspec.to_builtins(one)) for one in _each(about.pods, "pod", PodShape, MOST_PODS)],
        events=[
            msgspec.convert(cleaned(msgspec.to_builtins(one)), EventShape)
            for one in _each(about.events, "event", EventShape, MOST_EVENTS)
        ],
        calibration=cleaned(calibration) if isinstance(calibration, dict) else None,
    )


def _each(rows: Sequence[Raw], what: str, shape: type[Shape], most: int) -> Iterator[Shape]:
    if len(rows) > most:
        raise ValueError(f"it has {len(rows)} {what}s, and at most {most} can be shown")
    decoder = msgspec.json.Decoder(shape)
    for number, row in enumerate(rows):
        try:
            yield decoder.decode(row)
        except ValueError as error:
            raise ValueError(f"{what} {number} is damaged: {error}") from error


def _plain(about: RecordingShape) -> dict[str, Any]:
    """Return the head of the recording without the parts that are read one by one."""
    head = {name: getattr(about, name) for name in about.__struct_fields__}
    for name in ("calibration", "pods", "requests", "events"):
        del head[name]
    plain: dict[str, Any] = msgspec.to_builtins(head)
    return plain


def cleaned(value: Any) -> Any:
    """Return JSON with every text printable and of bounded length."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, list):
        return [cleaned(one) for one in value]
    if isinstance(value, dict):
        return {escaped(name): cleaned(one) for name, one in value.items()}
    return value


def check_writable(path: Path) -> None:
    """Raise RecordingError if a recording cannot be written to ``path``, before anything is recorded.

    An existing file is replaced only if it is a recording.
    """
    try:
        if _exists(path) and not read_small_file(path, MOST_BYTES).startswith(_BEGINNING):
            raise RecordingError(f"{escaped(str(path))} exists and is not a recording; name another file")
        descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        os.close(descriptor)
        os.unlink(name)  # noqa: PTH108 - a name, not a path
    except OSError as error:
        raise RecordingError(f"cannot write {escaped(str(path))}: {error.strerror}") from error


def _exists(path: Path) -> bool:
    """Return whether there is a file or a link; a name that no file can have is an OSError."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def write_recording(path: Path, head: dict[str, Any], **lists: Sequence[Any]) -> int:
    """Write a recording whole or not at all, readable by its owner alone, and return its size.

    ``head`` has what comes before the ``lists`` (``pods``, ``requests``, ``events``). Raises RecordingError.
    """
    text = json.dumps({"format": FORMAT, "version": VERSION} | head, separators=(",", ":"), allow_nan=False)[:-1]
    for name, rows in lists.items():
        lines = ",\n".join(json.dumps(row, separators=(",", ":"), allow_nan=False) for row in rows)
        text += f',\n"{name}":[\n{lines}\n]'
    data = f"{text}}}\n".encode()
    if len(data) > MOST_BYTES:
        raise RecordingError(f"the recording would have {len(data)} bytes, and at most {MOST_BYTES} can be opened")
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _MODE)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)  # noqa: PTH105 - a name, not a path
    except OSError as error:
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108
        raise RecordingError(f"cannot write {escaped(str(path))}: {error.strerror}") from error
    return len(data)
