"""Set up the form and the destination of log lines: standard error, one line each, in one of three formats.

Under systemd, standard error is the journal, which has its own clock and reads the priority from a ``<N>`` at the start
of a line (``sd-daemon(3)``); so the line gets the priority instead of the time. What libraries log through the standard
``logging`` module takes the same way.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, TextIO

import structlog

from cri_shim.daemon.line_logger import LineLogger
from untrusted import encodable, escaped, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.typing import EventDict, Processor, WrappedLogger

# syslog(3) priorities by structlog's names of levels.
_PRIORITIES = {"critical": 2, "error": 3, "exception": 3, "warning": 4, "warn": 4, "info": 6, "debug": 7}
_FIRST = ("time", "level", "event")
_LONGEST_VALUE = 1 << 16
"""Characters of one value in a line; a traceback has fewer, and the journal cuts lines at about as many."""
# Local variables stay out of tracebacks because they may hold a registry's password.
_TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def configure(level: str, log_format: str, *, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard ``logging`` module for the process.

    ``level`` is debug, info, warning or error; ``log_format`` is logfmt, json or console; ``stream`` defaults to
    standard error.
    """
    out = sys.stderr if stream is None else stream
    journal = is_journal(out, os.environ)
    numeric = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level]
    if not journal:
        shared.append(structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"))
    render = _renderer(log_format, journal=journal, colors=out.isatty())
    lines = LineLogger(out)
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    handler = _StandardHandler(lines, [*shared, *render])
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries log too much below this level; their warnings are worth a line.
    root.setLevel(max(numeric, logging.WARNING))


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether ``stream`` is the journal: systemd names its device and inode in ``JOURNAL_STREAM``."""
    try:
        here = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{here.st_dev}:{here.st_ino}"


def _renderer(log_format: str, *, journal: bool, colors: bool) -> list[Processor]:
    prefix: list[Processor] = []
    last: Callable[[WrappedLogger, str, EventDict], str | bytes]
    if log_format == "json":
        prefix = [structlog.processors.ExceptionRenderer(_TRACEBACK), _bounded, _in_order]
        last = structlog.processors.JSONRenderer(default=repr)
    elif log_format == "console":
        prefix = [_for_terminals]
        last = structlog.dev.ConsoleRenderer(
            colors=colors, timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
        )
    else:
        prefix = [structlog.processors.format_exc_info, _flatten]
        last = structlog.processors.LogfmtRenderer(key_order=_FIRST, drop_missing=True, bool_as_flag=False)

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        priority = _PRIORITIES.get(str(event.get("level", method)), 6)
        line = str(last(logger, method, event))
        return "\n".join(f"<{priority}>{each}" for each in line.splitlines()) if journal else line

    return [*prefix, render]


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the keys that every line has first."""
    return {**{key: event[key] for key in _FIRST if key in event}, **event}


def _flatten(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Convert values to what logfmt can hold: a missing one becomes empty, and anything but a number becomes text."""
    return {_logfmt_key(key): _flat(value) for key, value in event.items()}


def _flat(value: object) -> bool | int | float | str:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return _shown(", ".join(map(str, value)))
    return "" if value is None else _shown(str(value))


def _bounded(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Make every text writable and no longer than :data:`_LONGEST_VALUE`."""
    return {key: _writable(value) if isinstance(value, str) else value for key, value in event.items()}


def _for_terminals(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: _shown(value) if isinstance(value, str) else value for key, value in event.items()}


def _writable(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE and text.isascii() else shorten(encodable(text), _LONGEST_VALUE)


def _shown(text: str) -> str:
    """Return a logfmt value without the control characters with which it could rewrite a terminal.

    Line ends stay, because the renderer escapes them.
    """
    text = _writable(text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else escaped(char) for char in text)


def _logfmt_key(key: str) -> str:
    return "".join(each if each.isprintable() and each not in ' ="' else "_" for each in key) or "_"


class _StandardHandler(logging.Handler):
    """Passes what libraries log through ``logging`` to the same processors."""

    def __init__(self, logger: LineLogger, processors: list[Processor]) -> None:
        super().__init__()
        self._logger = logger
        self._processors = processors

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a record that cannot be rendered is reported in the way of ``logging``."""
        try:
            event: EventDict = {"event": record.getMessage(), "logger": record.name}
            if record.exc_info:
                event["exc_info"] = record.exc_info
            line: object = event
            for processor in self._processors:
                line = processor(self._logger, record.levelname.lower(), event if line is event else line)  # type: ignore[arg-type]
                event = line if isinstance(line, dict) else event
            self._logger.msg(str(line))
        except Exception:  # noqa: BLE001 - the contract of logging.Handler.emit
            self.handleError(record)
