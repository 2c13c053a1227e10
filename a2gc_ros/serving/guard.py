"""Who may ask: this machine's own pages, and where others may connect, those who know the token."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES: Final = 20_000_000
"""Of an upload."""

COOKIE: Final = "a2gc_token"

OWN_HEADER: Final = "x-a2gc"
"""Pages of other sites cannot send it without asking first, and nobody answers them."""


SAFE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Refuses what must not come in, before the application sees it.

    Without a token only requests that name this machine are answered, so that no name of another site can be made to
    mean this machine. With one, everything needs it: once in the address, then in a cookie.

    Args:
        app: The application.
        token: Asked for; empty where only this machine can connect.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if self._token and self._knows(request.query_params.get("token", "")):
            answer = RedirectResponse(request.url.path, status_code=303)
            answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            await answer(scope, receive, send)
            return
        refusal = self._refusal(request)
        if refusal is not None:
            await PlainTextResponse(refusal[1] + "\n", refusal[0])(scope, receive, send)
            return
        await self._app(scope, _bounded(receive), _closed(send))

    def _refusal(self, request: Request) -> tuple[int, str] | None:
        host = (request.url.hostname or "").strip("[]")
        if not self._token and not is_loopback(host):
            return 421, "this server answers to localhost only"
        if self._token and not self._knows(request.cookies.get(COOKIE, "")):
            return 401, "open the address with the token that a2gc serve printed"
        if request.method not in ("GET", "HEAD") and OWN_HEADER not in request.headers:
            return 403, "only this server's own page may ask"
        if _length(request.headers) > MOST_BYTES:
            return 413, f"an upload may have {MOST_BYTES // 1_000_000} MB"
        return None

    def _knows(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


class TooLargeError(Exception):
    """An upload went on beyond what it may have."""


def _length(headers: Headers) -> int:
    value = headers.get("content-length", "0")
    return int(value) if value.isdecimal() else MOST_BYTES + 1


def _bounded(receive: Receive) -> Receive:
    """Counts what comes in: a length that is announced may be a lie, and one that is not may have no end."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BYTES:
            raise TooLargeError
        return message

    return bounded


def _closed(send: Send) -> Send:
    """Adds what keeps an answer where it belongs."""

    async def closed(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(SAFE_HEADERS)
        await send(message)

    return closed
