"""Read from a log file how much a container has printed: whether it is finished, and how many whole lines there are.

A kubelet reads two formats. In the CRI's, ``TIME STREAM TAG TEXT``, the tag P means that the line continues in the next
record. Docker's has a JSON object for each record, whose text contains the end of the line. Runtimes cut lines into
records where they like, even short ones: conmon does so wherever its buffer ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from untrusted import DocumentError, escaped, parse_object

if TYPE_CHECKING:
    from pathlib import Path

_TAIL = 4096
_BLOCK = 1 << 20
_JSON = b"{"
_GOES_ON = b" stdout P "
_ENDS = b'\\n","stream":"stdout"'
_SHOWN = 60


class UnknownFormatError(ValueError):
    """A record that is in neither format."""


def ends_with(log: Path, last: bytes, begin: int = 0) -> bool:
    """Whether the last whole line from ``begin`` on, where a record starts, is ``last``.

    Raises :class:`UnknownFormatError`, and OSError when the file cannot be opened.
    """
    with log.open("rb") as file:
        start = max(begin, file.seek(0, 2) - _TAIL)
        file.seek(start)
        records = file.read().split(b"\n")[:-1]
    if start > begin:
        del records[:1]  # its beginning is before the tail
    if not records or not _text(records[-1]).endswith(last[-1:] + b"\n"):
        return False  # almost always, and without reading the others
    text = b"".join(map(_text, records))
    return text == last + b"\n" or text.endswith(b"\n" + last + b"\n")


def whole_lines(log: Path, begin: int = 0) -> int:
    """Return how many lines of standard output have ended from ``begin`` on, where a record starts.

    This counts bytes and parses nothing, so what was printed must not look like a record itself.
    """
    with log.open("rb") as file:
        file.seek(begin)
        docker = file.read(1) == _JSON
        file.seek(begin)
        records = pieces = 0
        mark = _ENDS if docker else _GOES_ON
        rest = b""
        while block := file.read(_BLOCK):
            records += block.count(b"\n")
            pieces += (rest + block).count(mark)
            rest = block[1 - len(mark) :]  # too short for a whole mark, so none counts twice
    return pieces if docker else records - pieces


def _text(record: bytes) -> bytes:
    """Return what was printed, with the end of the line if it is in this record."""
    if record.startswith(_JSON):
        try:
            return parse_object(record).text("log").encode()
        except DocumentError as error:
            raise UnknownFormatError(f"a record of Docker's log format was expected: {error}") from error
    fields = record.split(b" ", 3)
    if len(fields) < 4:
        shown = escaped(record.decode(errors="replace"), _SHOWN)
        raise UnknownFormatError(f"'{shown}' is a record of neither the CRI's log format nor Docker's")
    return fields[3] if fields[2].startswith(b"P") else fields[3] + b"\n"
