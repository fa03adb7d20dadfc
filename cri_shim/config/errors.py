"""The error for an invalid configuration: all problems at once, each with the key and the line to look at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem of a configuration.

    ``source`` is the name of the file or the flag (``--log-level``); ``line`` counts from 1 and is 0 if there is none
    (a flag, an unreadable file); ``key`` is the dotted name, empty for a mistake in the TOML itself.
    """

    source: str
    line: int
    key: str
    what: str

    def __str__(self) -> str:
        """Return ``FILE:LINE: key: what``, without the parts that this problem does not have."""
        where = f"{self.source}:{self.line}" if self.line else self.source
        return ": ".join(part for part in (where, self.key, self.what) if part)


class ConfigError(Exception):
    """A configuration that cannot be used; ``problems`` has at least one entry, in the order of the file.

    ``denied`` says that this user may not read the file, so that its content is unknown and not wrong.
    """

    def __init__(self, problems: list[Problem], *, denied: bool = False) -> None:
        self.problems = tuple(sorted(problems))
        self.denied = denied
        super().__init__("\n".join(map(str, self.problems)))
