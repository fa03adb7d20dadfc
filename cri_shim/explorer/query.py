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


def avoids_errors(request: web.Request) -> bool:
    """Return whether the client asks with ``refused=json`` for refusals without the status of an error."""
    return request.method == "GET" and request.query.get("refused") == "json"


def refused(request: web.Request, error: web.HTTPClientError) -> web.Response:
    """Answer what is refused: JSON if the client asks with ``refused=json``, otherwise raise ``error``.

    The JSON is ``{"refused": {"status": …, "message": …}}``. A browser writes every status of an error into its
    console, where the page that asked cannot prevent it, although a reader may type any id and any search.
    """
    if not avoids_errors(request):
        raise error
    return web.json_response({"refused": {"status": error.status, "message": (error.text or error.reason).strip()}})


def absent(request: web.Request, why: str) -> web.Response:
    """Answer for something that is not there: JSON null if the client asks with ``absent=null``, otherwise 404.

    This is the older form of ``refused=json``, which pages of the release before ask for.
    """
    if request.query.get("absent") == "null":
        return web.json_response(None)
    raise web.HTTPNotFound(text=f"{why}\n")
