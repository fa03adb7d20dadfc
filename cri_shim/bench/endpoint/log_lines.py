"""Read the log file of a container as comparable facts: its format, what each stream printed, how it was cut.

A kubelet reads two formats. The CRI's has a line ``TIME STREAM F|P TEXT`` for each piece, where P means that the line
continues. Docker's has a JSON object for each piece, whose text contains the line's end. The pieces are joined again to
the output, so that runtimes that cut long lines at different lengths differ only in that.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from untrusted.text import escaped

STREAMS = ("stdout", "stderr")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class _Piece:
    """One record: a whole line, the end of a line, or, if ``whole`` is not set, a part that continues."""

    time: str
    stream: str
    text: bytes
    whole: bool


class _OtherFormatError(ValueError):
    """A record that does not follow the format; the text is the record."""


def log_facts(content: bytes) -> dict[str, str]:
    """Return the facts of a log file in either format; a content in neither format is a fact, too."""
    lines = content.split(b"\n")[:-1]
    if not lines:
        return {"format": "no lines"}
    for name, read in (("CRI", _cri), ("Docker's JSON, not the CRI's", _docker)):
        try:
            pieces = [read(line) for line in lines]
        except _OtherFormatError as error:
            other = error
        else:
            return {"format": name, **_facts(pieces)}
    return {"format": f"not the CRI's log format: {other}"}


def _facts(pieces: list[_Piece]) -> dict[str, str]:
    times = all(_TIME.fullmatch(piece.time) for piece in pieces)
    parts = sorted({len(piece.text) for piece in pieces if not piece.whole}, reverse=True)
    facts = {"times": "all well formed" if times else "not all well formed"}
    for stream in STREAMS:
        printed = b"".join(piece.text + (b"\n" if piece.whole else b"") for piece in pieces if piece.stream == stream)
        digest = hashlib.sha256(printed).hexdigest()[:12]
        facts[stream] = f"{len(printed.splitlines())} lines, {len(printed)} bytes, sha256 {digest}"
    facts["pieces of long lines"] = f"at most {parts[0]} bytes" if parts else "none: lines are whole"
    return facts


def _cri(line: bytes) -> _Piece:
    fields = line.split(b" ", 3)
    if len(fields) != 4 or fields[1].decode(errors="replace") not in STREAMS or fields[2][:1] not in {b"F", b"P"}:
        raise _OtherFormatError(escaped(line.decode(errors="replace"), _SHOWN))
    return _Piece(fields[0].decode(errors="replace"), fields[1].decode(), fields[3], fields[2][:1] == b"F")


def _docker(line: bytes) -> _Piece:
    try:
        record = json.loads(line)
        time, stream, text = record["time"], record["stream"], record["log"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _OtherFormatError(escaped(line.decode(errors="replace"), _SHOWN)) from error
    if not isinstance(time, str) or not isinstance(text, str) or stream not in STREAMS:
        raise _OtherFormatError(escaped(line.decode(errors="replace"), _SHOWN))
    return _Piece(time, stream, text.removesuffix("\n").encode(errors="replace"), text.endswith("\n"))
