"""Parse URLs from outside: redirects, token servers, mirrors, proxies.

Storage services sign every character of a URL, so path and query are kept as they were written and never decoded and
encoded again. Only characters that a request line cannot contain (a space, a character beyond ASCII) are
percent-encoded. The host is checked, because all decisions about a request (proxy, credentials, headers) depend on it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes, urlencode, urlsplit

from msgspec import Struct

from untrusted import encodable, escaped

Query = Mapping[str, str | tuple[str, ...]]
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
WEB = frozenset({"http", "https"})
LONGEST = 64 << 10
"""Longest URL in characters."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_HOST = 253
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_IN_A_REQUEST_LINE = re.compile(r"[^\x21-\x7e]")


class UrlError(ValueError):
    """A text is not a URL of the required kind.

    The message continues "it ...". It shows nothing of the text, because a text that cannot be parsed may contain
    signatures and passwords anywhere.
    """


class Url(Struct, frozen=True):
    """One absolute URL; ``target`` is path and query as they were written, ``user`` the part before an ``@``."""

    scheme: str
    host: str
    """In lower case and ASCII; IPv6 addresses without brackets."""
    port: int
    target: str
    user: str = ""

    def __str__(self) -> str:
        """Return the URL without its user."""
        return f"{self.origin}{self.target}"

    @property
    def authority(self) -> str:
        """Return ``host[:port]``, without the port if it is the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Return scheme, host and port, which an error text may show of any URL."""
        return f"{self.scheme}://{self.authority}"

    @property
    def shown(self) -> str:
        """Return the URL without the parts that may be secret: user and query (signed links)."""
        return escaped(f"{self.origin}{self.target.partition('?')[0]}")

    def same_server(self, other: Url) -> bool:
        """Return whether a request to this URL may contain what was meant for ``other``.

        A server is identified by scheme, host and port. The only exception is the step from http to https on the
        standard ports.
        """
        if (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port):
            return True
        ports = (other.scheme, other.port, self.scheme, self.port)
        return self.host == other.host and ports == ("http", 80, "https", 443)

    def with_query(self, query: Query) -> Url:
        """Return the URL with parameters appended to those that it has; one with several values, several times."""
        if not query:
            return self
        mark = "?" if "?" not in self.target else "&" if self.target[-1] not in "?&" else ""
        more = urlencode(query, doseq=True, errors="surrogateescape")
        return Url(self.scheme, self.host, self.port, f"{self.target}{mark}{more}", self.user)

    def login(self) -> tuple[bytes, bytes] | None:
        """Return the decoded user and password of the URL, or None."""
        if not self.user:
            return None
        name, _, password = self.user.partition(":")
        return unquote_to_bytes(name), unquote_to_bytes(password)


def parse_url(text: str, schemes: frozenset[str] = WEB) -> Url:
    """Parse an absolute URL; raises :class:`UrlError`."""
    if len(text) > LONGEST:
        raise UrlError(f"has {len(text)} characters, more than {LONGEST}")
    if _CONTROL.search(text):
        raise UrlError("contains a control character")
    scheme = _SCHEME.match(text)
    if scheme is None or not text.startswith("//", scheme.end()):
        raise UrlError("has no scheme and host")
    if scheme[1].lower() not in schemes:
        raise UrlError(f"has a scheme other than {' or '.join(sorted(schemes))}")
    rest = text[scheme.end() + 2 :]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    target = rest[len(authority) :].partition("#")[0]
    user, at, place = authority.rpartition("@")
    host, port = _host_and_port(place)
    return Url(
        scheme[1].lower(),
        host,
        port or PORTS[scheme[1].lower()],
        _request_target(target if target.startswith("/") else f"/{target}"),
        user if at else "",
    )


def resolve_location(base: Url, location: str) -> Url:
    """Return the target of a redirect from ``base`` to ``location``; raises :class:`UrlError`."""
    if not location:
        raise UrlError("is empty")
    if _CONTROL.search(location):
        raise UrlError("contains a control character")
    location = location.partition("#")[0]
    if _SCHEME.match(location):
        return parse_url(location)
    if location.startswith("//"):
        return parse_url(f"{base.scheme}:{location}")
    path, mark, query = location.partition("?")
    own_path, own_mark, own_query = base.target.partition("?")
    if not path:
        path = own_path
        mark, query = (mark, query) if mark else (own_mark, own_query)
    elif not path.startswith("/"):
        path = own_path.rpartition("/")[0] + "/" + path
    if len(path) + len(query) > LONGEST:
        raise UrlError(f"has more than {LONGEST} characters")
    return Url(base.scheme, base.host, base.port, _request_target(_without_dots(path) + mark + query))


def shown(text: str) -> str:
    """Return a text that should be a URL without user, query and fragment, as an error may show it."""
    try:
        return parse_url(text, frozenset(PORTS)).shown
    except UrlError:
        scheme, mark, rest = re.split(r"[?#]", text, maxsplit=1)[0].rpartition("://")
        place, slash, path = rest.partition("/")
        return escaped(f"{scheme}{mark}{place.rpartition('@')[2]}{slash}{path}")


def _host_and_port(place: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        port = parts.port
    except ValueError:
        raise UrlError("has an invalid port or address") from None
    host = parts.hostname or ""
    if place.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host)), port or 0
        except ValueError:
            raise UrlError("has an invalid address") from None
    host = host_name(host)
    if port == 0:
        raise UrlError("has the port 0")
    return host, port or 0


def host_name(text: str) -> str:
    """Return a host name in lower-case ASCII (IDNA); raises :class:`UrlError` for an invalid name."""
    if not text:
        raise UrlError("names no host")
    host = text.lower()
    if not host.isascii():
        host = _idna(host)
    bare = host.removesuffix(".")
    if len(bare) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in bare.split(".")):
        raise UrlError("names an invalid host")
    return host


def _idna(host: str) -> str:
    import idna  # noqa: PLC0415 - its tables are large, and nearly all names are ASCII

    try:
        return idna.encode(encodable(host), uts46=True).decode()
    except idna.IDNAError:
        raise UrlError("names an invalid host") from None


def _request_target(text: str) -> str:
    return _NOT_IN_A_REQUEST_LINE.sub(_percent_encoded, text)


def _percent_encoded(match: re.Match[str]) -> str:
    try:
        data = match[0].encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = "\N{REPLACEMENT CHARACTER}".encode()
    return "".join(f"%{byte:02X}" for byte in data)


def _without_dots(path: str) -> str:
    """Resolve the segments ``.`` and ``..`` of a relative location (RFC 3986, 5.2.4)."""
    if "/." not in path:
        return path
    segments: list[str] = []
    steps = path.split("/")
    for step in steps[1:]:
        if step == "..":
            del segments[-1:]
        elif step != ".":
            segments.append(step)
    last = "" if steps[-1] not in {".", ".."} else "/"
    return "/" + "/".join(segments) + (last if segments else "")
