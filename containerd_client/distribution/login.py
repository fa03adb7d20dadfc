"""Getting in at one host: answer its challenge, keep the token, get a new one when it has run out.

Docker's token authentication (distribution spec, ``docs/spec/auth``): the registry answers 401 and names a token
server; that gives a token for a scope, to anybody or against credentials; a POST in the manner of OAuth 2 first, where
there are credentials, and a GET with Basic where the server knows no POST. One :class:`Login` is for one repository,
for the length of one pull.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from containerd_client.distribution.challenges import Challenge, parse_challenges
from containerd_client.distribution.credentials import ANONYMOUS
from containerd_client.distribution.errors import UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from containerd_client.distribution.credentials import Credentials

SHORTEST_LIFE = 60.0
"""Seconds that a token lasts if its server does not say; the specification's default."""
EARLY = 5.0
"""Seconds before its end at which a token is not used any more, or a tenth of its life."""
NO_POST = frozenset({400, 401, 404, 405})
"""What token servers answer that do not take a POST."""
CLIENT_ID = "cri-shim"


class TokenAnswer(Struct, frozen=True):
    """What a token server said; ``document`` is empty unless ``status`` is 200 and it sent a JSON object."""

    status: int
    document: Mapping[str, object]


class TokenServer(Protocol):
    """How a request gets to a token server. Raises :class:`DistributionError` when it does not get there."""

    async def __call__(
        self, url: str, *, query: Mapping[str, str], form: Mapping[str, str] | None, authorization: str
    ) -> TokenAnswer:
        """POST the form if there is one, else GET."""
        ...


class Login:
    """The way in at one host for one repository."""

    def __init__(self, base: str, repository: str, credentials: Credentials, ask: TokenServer) -> None:
        self._scheme, authority = urlsplit(base)[:2]
        self._authority = authority
        self._scope = f"repository:{repository}:pull"
        self._credentials = credentials if credentials.fit(authority) else ANONYMOUS
        self._ask = ask
        self._lock = asyncio.Lock()
        self._bearer: Challenge | None = None
        self._header = ""
        self._ends = 0.0
        if self._credentials.registry_token:
            self._take(self._credentials.registry_token, float("inf"))

    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any text."""
        return (*self._credentials.secrets(), self._header.partition(" ")[2])

    async def header(self) -> str:
        """The Authorization to send, empty for none. Raises :class:`DistributionError` when a new token is refused."""
        async with self._lock:
            if self._bearer is not None and time.monotonic() >= self._ends:
                await self._fetch(self._bearer)
            return self._header

    async def answer(self, challenges: Iterable[str], sent: str) -> bool:
        """After a 401 on a request with the Authorization ``sent``: True if there is now another one to try.

        Raises :class:`DistributionError` when the token server refuses, or cannot be reached.
        """
        async with self._lock:
            if self._header != sent:
                return True  # another request of this pull has been through this meanwhile
            offered = parse_challenges(challenges)
            bearer = next((one for one in offered if one.scheme == "bearer" and one.parameters.get("realm")), None)
            if bearer is not None and not self._credentials.registry_token:
                self._bearer = bearer
                await self._fetch(bearer)
                return self._header != sent
            basic = self._credentials.basic
            if basic and basic != sent and any(one.scheme == "basic" for one in offered):
                self._header = basic
                return True
            return False

    async def _fetch(self, challenge: Challenge) -> None:
        realm = challenge.parameters["realm"]
        if urlsplit(realm).scheme not in {"http", "https"}:
            raise UnauthorizedError(f"{self._authority} names {plain(realm)!r} as its token server, which is no URL")
        if self._scheme == "https" != urlsplit(realm).scheme and self._credentials:
            raise UnauthorizedError(f"{self._authority} wants the login sent in clear to {plain(realm)}; refused")
        service = challenge.parameters.get("service", "")
        scope = " ".join(dict.fromkeys([*challenge.parameters.get("scope", "").split(), self._scope]))
        known = {"service": service} if service else {}
        answer = await self._post(realm, known, scope)
        if answer is None:
            answer = await self._ask(
                realm, query={**known, "scope": scope}, form=None, authorization=self._credentials.basic
            )
        if answer.status != 200:
            raise UnauthorizedError(f"token server {plain(realm)} of {self._authority} answers {answer.status}")
        token = answer.document.get("token") or answer.document.get("access_token")
        if not isinstance(token, str) or not token or not token.isprintable():
            raise UnauthorizedError(f"token server {plain(realm)} of {self._authority} gives no token")
        self._take(token, _life(answer.document))

    async def _post(self, realm: str, known: Mapping[str, str], scope: str) -> TokenAnswer | None:
        """Ask in the manner of OAuth 2; None where that is not to be tried, or the server does not know it."""
        credentials = self._credentials
        form = {**known, "scope": scope, "client_id": CLIENT_ID}
        if credentials.username:
            form |= {"grant_type": "password", "username": credentials.username, "password": credentials.password}
        elif credentials.identity_token:
            form |= {"grant_type": "refresh_token", "refresh_token": credentials.identity_token}
        else:
            return None
        answer = await self._ask(realm, query={}, form=form, authorization="")
        return None if answer.status in NO_POST and credentials.username else answer

    def _take(self, token: str, life: float) -> None:
        self._header = f"Bearer {token}"
        self._ends = time.monotonic() + life - min(EARLY, life / 10)


def plain(url: str) -> str:
    """A URL without what may be secret in it: user, query (signed links) and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _life(document: Mapping[str, object]) -> float:
    """Seconds from now; the server's own clock (``issued_at``) is not trusted."""
    told = document.get("expires_in")
    return float(told) if isinstance(told, int | float) and told > 0 else SHORTEST_LIFE
