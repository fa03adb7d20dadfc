"""Requests as one file: its policy lets only itself run, and what is in the records stays data."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from cri_shim.explorer.request_file import request_file

ABOUT = {"version": "1.2.3", "containerd_version": "1.6.20", "saved_at": 1763942400.0}
HOSTILE = {
    "id": 7,
    "method": "</script><script>alert(1)</script>",
    "error": "<!-- <img src=x onerror=alert(1)> & {policy} {data}",
    "subject": {"name": "\u2028\U0001f600"},
}


class Elements(HTMLParser):
    """Collects the elements of a page, and the text of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.inside = ""

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = f"{tag} {dict(attrs).get('type', '')}".strip() if tag in {"script", "style"} else ""
        if self.inside:
            self.texts.append((self.inside, ""))

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside:
            self.texts[-1] = (self.inside, self.texts[-1][1] + data)


def parsed(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    return elements


def test_what_others_chose_stays_data():
    """A name that looks like markup neither ends the element that holds the data nor becomes one."""
    page = request_file([HOSTILE], "<b>&{data}", ABOUT)
    elements = parsed(page)
    assert [tag for tag, _ in elements.elements].count("script") == 2
    assert "img" not in [tag for tag, _ in elements.elements]
    (data,) = [text for kind, text in elements.texts if kind == "script application/json"]
    assert json.loads(data) == {"records": [HOSTILE], "about": ABOUT}
    assert "<title>&lt;b&gt;&amp;{data}</title>" in page


def test_nothing_comes_from_elsewhere():
    """No element names another file, and the policy allows none."""
    page = request_file([HOSTILE], "RunPodSandbox 7", ABOUT)
    addresses = [
        value
        for _, attributes in parsed(page).elements
        for name, value in attributes.items()
        if name in {"src", "href"}
    ]
    assert addresses == ["data:,", "#main"]
    assert "@import" not in page
    assert "url(" not in page


def test_the_policy_names_exactly_what_the_file_holds():
    """Its script and styles by their hashes; nothing else may run, and nothing may be asked for."""
    elements = parsed(request_file([HOSTILE], "RunPodSandbox 7", ABOUT))
    (policy,) = [
        str(attributes["content"])
        for tag, attributes in elements.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == "'none'"
    assert "unsafe" not in policy
    for kind in ("script", "style"):
        texts = [text for name, text in elements.texts if name == kind]
        hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        assert re.findall(r"'sha256-([^']+)'", allowed[f"{kind}-src"]) == hashes
