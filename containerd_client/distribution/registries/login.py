"""Authenticate at one host: answer its challenge, keep the token, and get a new one when it expires.

Docker's token authentication (distribution spec, ``docs/spec/auth``): the registry answers 401 and names a token
server, which issues a token for a scope, anonymously or for credentials. With credentials, an OAuth 2 POST is tried
first, and a GET with Basic if the server does not support POST. One :class:`Login` is for one repository, for the
length of one pull. A refresh token is sent by GET, too, as the password of a user without a name, as containerd does.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from containerd_client.distribution.registries.challenges import Challenge, parse_challenges
from containerd_client.distribution.registries.credentials import ANONYMOUS, basic_authorization, fits_a_header
from containerd_client.distribution.values.errors import UnauthorizedError
from containerd_client.distribution.values.urls import Url, UrlError, parse_url, shown
from untrusted import DocumentError, escaped, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from containerd_client.distribution.registries.credentials import Credentials
    from containerd_client.distribution.values.urls import Query

SHORTEST_LIFE = 60.0
"""Lifetime of a token in seconds if its server does not state it; the specification's default."""
LONGEST_LIFE = 86_400.0
LARGEST_TOKEN = 1 << 20
"""Largest size of a token server's answer in bytes."""
EARLY = 5.0
"""Seconds before its expiry from which a token is not used any more; for short-lived tokens a tenth of their life."""
NO_POST = frozenset({400, 401, 404})
"""Statuses with which token servers reject a POST that they do not support; with a user, 405 counts as well."""
CLIENT_ID = "cri-shim"


class TokenAnswer(Struct, frozen=True):
    """A token server's answer; ``body`` is empty unless ``status`` means success."""

    status: int
    body: bytes

    @property
    def successful(self) -> bool:
        """Return whether the body should be a token."""
        return 200 <= self.status < 300


class TokenServer(Protocol):
    """A function that sends a request to a token server; raises :class:`DistributionError` if it cannot be reached."""

    async def __call__(
        self, url: str, *, query: Query, form: Mapping[str, str] | None, authorization: str
    ) -> TokenAnswer:
        """POST the form if given, else GET."""
        ...


class Login:
    """The authentication at one host for one repository."""

    def __init__(self, base: str, repository: str, credentials: Credentials, ask: TokenServer) -> None:
        self._server = parse_url(base)
        self._authority = authority = self._server.authority
        self._scope = f"repository:{repository}:pull"
        self._credentials = credentials if credentials.fit(authority) else ANONYMOUS
        self._ask = ask
        self._lock = asyncio.Lock()
        self._bearer: Challenge | None = None
        self._header = ""
        self._ends = 0.0
        self.remark = ""
        """Text to append to errors about this login."""
        if self._credentials.registry_token:
            if not fits_a_header(self._credentials.registry_token):
                raise UnauthorizedError("the registry token contains a character that is not allowed in a header")
            self._take(self._credentials.registry_token, float("inf"))

    def secrets(self) -> tuple[str, ...]:
        """Return what must not appear in any text."""
        return (*self._credentials.secrets(), self._header.partition(" ")[2])

    async def header(self) -> str:
        """Return the Authorization to send, or ""; raises :class:`DistributionError` if a new token is refused."""
        async with self._lock:
            if self._bearer is not None and time.monotonic() >= self._ends:
                await self._fetch(self._bearer)
            return self._header

    async def answer(self, challenges: Iterable[str], sent: str) -> bool:
        """Handle a 401 on a request with the Authorization ``sent``; return whether there is now another one to try.

        Raises :class:`DistributionError` if the token server refuses or cannot be reached.
        """
        async with self._lock:
            if self._header != sent:
                return True  # another request of this pull has renewed it in the meantime
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
        realm = self._realm(challenge.parameters["realm"])
        credentials = self._credentials_for(realm)
        service = challenge.parameters.get("service", "")
        scopes = (*dict.fromkeys([*challenge.parameters.get("scope", "").split(), self._scope]),)
        known = {"service": service} if service else {}
        answer = await self._post(credentials, realm, known, " ".join(scopes))
        if answer is None:
            # Each scope is a parameter of its own: some servers take a value with a space for one scope.
            answer = await self._ask(
                str(realm),
                query={**known, "scope": scopes},
                form=None,
                authorization=credentials.basic_with_token or _login_of(realm),
            )
        who = f"token server {realm.shown} of {self._authority}"
        if not answer.successful:
            raise UnauthorizedError(f"{who} answers {answer.status}{self.remark}")
        try:
            token, life = read_token(answer.body)
        except DocumentError as error:
            raise UnauthorizedError(f"{who} gives no token: {error}{self.remark}") from None
        self._take(token, life)

    def _realm(self, text: str) -> Url:
        try:
            return parse_url(text)
        except UrlError as error:
            raise UnauthorizedError(
                f"{self._authority} names '{shown(text)}' as its token server, which is not a URL: it {error}"
            ) from None

    def _credentials_for(self, realm: Url) -> Credentials:
        """Return what may be sent to the token server; raises :class:`UnauthorizedError` rather than use clear text."""
        credentials = self._credentials
        if not credentials.fit_realm(realm.authority):
            self.remark = (
                f" (the login is for {escaped(credentials.server)} alone, and so was not sent to the token server at "
                f"{realm.authority})"
            )
            return ANONYMOUS
        self.remark = ""
        if self._server.scheme == "https" != realm.scheme and credentials:
            raise UnauthorizedError(f"{self._authority} wants the login sent in clear to {realm.shown}; refused")
        return credentials

    async def _post(
        self, credentials: Credentials, realm: Url, known: Mapping[str, str], scope: str
    ) -> TokenAnswer | None:
        """Request a token by OAuth 2; return None if that should not be tried or the server does not support it."""
        form = {**known, "scope": scope, "client_id": CLIENT_ID}
        if credentials.username:
            form |= {"grant_type": "password", "username": credentials.username, "password": credentials.password}
        elif credentials.identity_token:
            form |= {"grant_type": "refresh_token", "refresh_token": credentials.identity_token}
        else:
            return None
        answer = await self._ask(str(realm), query={}, form=form, authorization=_login_of(realm))
        unsupported = answer.status in NO_POST or (answer.status == 405 and credentials.username)
        return None if unsupported else answer

    def _take(self, token: str, life: float) -> None:
        self._header = f"Bearer {token}"
        self._ends = time.monotonic() + life - min(EARLY, life / 10)


def _login_of(realm: Url) -> str:
    """Return the Authorization for a login in the address that the registry gave of its token server; "" for none."""
    login = realm.login()
    return basic_authorization(*login) if login is not None else ""


def read_token(body: bytes) -> tuple[str, float]:
    """Return the token of a token server's answer and its lifetime in seconds from now; raises DocumentError.

    The server's clock (``issued_at``) is not trusted.
    """
    document = parse_object(body, limit=LARGEST_TOKEN, stream=True)
    token = document.text("access_token") or document.text("token")
    if not token:
        raise DocumentError("it contains neither token nor access_token")
    if not fits_a_header(token):
        raise DocumentError("it contains a character that is not allowed in a header")
    life = document.number("expires_in")
    return token, min(life, LONGEST_LIFE) if life > 0 else SHORTEST_LIFE
