"""The one error of the script."""

from __future__ import annotations


class FloorError(Exception):
    """A step that failed; the text names the program or file, what was wrong, and what to do if that is known."""
