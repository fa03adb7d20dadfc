"""Write the view of requests as one file that any browser opens, without a daemon and without a network.

It is made of the page's own modules and styles. Nothing in it comes from elsewhere: its policy allows only the script
and the styles that it holds, by their hashes, and no request to any address. The records are in it as data, which is
never parsed as HTML.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from cri_shim.explorer.bundle import bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLES: Final = ("explorer.css", "parts.css", "request.css")
_ESCAPED: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
"""Inside of JSON these can only be in strings; escaped, they cannot end the element that holds it."""


def request_file(records: Sequence[dict[str, Any]], title: str, about: dict[str, Any]) -> str:
    """Return the file; ``about`` has ``saved_at`` (Unix seconds), ``version`` and ``containerd_version``."""
    style = "\n".join(_page(name) for name in _STYLES)
    on_paper, script = _page("print.css"), bundle("request_file", _page)
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)} {_hash(on_paper)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "print": on_paper,
        "data": _data({"records": records, "about": about}),
        "script": script,
    }
    # The text between the places is the template's own, so nothing that is put in is looked at again.
    first, *rest = _page("request_file.html").split("{")
    pieces = [first]
    for piece in rest:
        name, _, after = piece.partition("}")
        pieces += [parts[name], after]
    return "".join(pieces)


def _data(values: Any) -> str:
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    for plain, escape in _ESCAPED.items():
        text = text.replace(plain, escape)
    return text


def _page(name: str) -> str:
    return (resources.files("cri_shim.explorer") / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
