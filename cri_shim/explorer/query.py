"""Read what a client asks for in a path or a query; whatever is not of the expected form is refused in words."""

from __future__ import annotations

from typing import Final

from aiohttp import web

LARGEST_NUMBER_DIGITS: Final = 18
LONGEST_SEARCH: Final = 200
"""Characters of a search."""


def number(what: str, text: str) -> int:
    """Return a number; it has only ASCII digits, and not more than any number here has."""
    if not (text.isascii() and text.isdigit() and len(text) <= LARGEST_NUMBER_DIGITS):
        raise web.HTTPBadRequest(text=f"{what} is a number of at most {LARGEST_NUMBER_DIGITS} digits\n")
    return int(text)


def search_words(text: str) -> list[str]:
    """Return the words of a search, in lower case."""
    if len(text) > LONGEST_SEARCH:
        raise web.HTTPBadRequest(text=f"a search has at most {LONGEST_SEARCH} characters\n")
    return text.lower().split()


def absent(request: web.Request, why: str) -> web.Response:
    """Answer for something that is not there: JSON null if the client asks with ``absent=null``, otherwise 404.

    A browser writes every 404 as an error into its console, where the page that asked cannot prevent it.
    """
    if request.query.get("absent") == "null":
        return web.json_response(None)
    raise web.HTTPNotFound(text=f"{why}\n")
