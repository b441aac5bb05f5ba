"""An Usher of which a test decides every byte: its key set, and what each connection to its feed gets."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from signing import SigningKey, load_keys

from vectors import load

KEY_SET: dict[str, Any] = load("tokens.json")["jwks"]
EDWARDS, ELLIPTIC, RSA = load_keys()[0]
FEED_TOKEN = "uvt_for-tests"

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


class FakeUsher:
    """A server on 127.0.0.1. `scripts` are taken one for each connection to the feed; the last one stays."""

    def __init__(self) -> None:
        self.keys_status = 200
        self.keys_body = json.dumps(KEY_SET).encode()
        self.keys_delay = 0.0
        self.keys_requests = 0
        self.feed_requests: list[dict[str, str]] = []
        self.reports: list[Any] = []
        self.scripts: list[Script] = [stays(snapshot(1))]
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.die()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """As kill -9 would look from outside."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            await self._answer(head[0].split(" ")[1], headers, body, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> None:
        if path == "/.well-known/jwks.json":
            self.keys_requests += 1
            await asyncio.sleep(self.keys_delay)
            length = len(self.keys_body)
            head = f"HTTP/1.1 {self.keys_status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode())
            writer.write(self.keys_body)
        elif headers.get("authorization") != f"Bearer {FEED_TOKEN}":
            writer.write(b"HTTP/1.1 401 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        elif path == "/api/v1/feed/position":
            self.reports.append(json.loads(body))
            writer.write(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n")
        else:
            self.feed_requests.append(headers)
            writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
            await script(writer)
        await writer.drain()


def event(kind: str, data: dict[str, Any], number: int | None = None) -> bytes:
    identity = "" if number is None else f"id: {number}\n"
    return f"event: {kind}\n{identity}data: {json.dumps(data)}\n\n".encode()


def snapshot(index: int, *, epochs: dict[str, int] | None = None, sessions: list[str] | None = None) -> bytes:
    subjects = [{"subject": subject, "epoch": epoch} for subject, epoch in (epochs or {}).items()]
    data = {
        "index": index,
        "last": True,
        "access_seconds": 900,
        "subjects": subjects,
        "sessions": sessions or [],
        "keys": [],
    }
    return event("snapshot", data, index)


def epoch(index: int, previous: int, subject: str, value: int) -> bytes:
    data = {"index": index, "previous": previous, "subject": subject, "epoch": value, "reason": "x"}
    return event("revoked", data, index)


def ends(*chunks: bytes) -> Script:
    """Says this and hangs up."""

    async def script(writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()

    return script


def stays(*chunks: bytes, pause: float = 0.0) -> Script:
    """Says this, with a pause before each piece, and then stays connected in silence."""

    async def script(writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            await asyncio.sleep(pause)
            writer.write(chunk)
            await writer.drain()
        while not writer.is_closing():
            await asyncio.sleep(0.05)

    return script


def token(issuer: str, key: SigningKey = EDWARDS, **changes: Any) -> str:
    """A good access token for this moment, with some claims changed."""
    now = int(time.time())
    claims = {
        "iss": issuer, "sub": "ann", "aud": issuer, "sid": "session-1", "epoch": 3, "client_id": "browser", "iat": now,
        "exp": now + 900, "jti": "token-1", "auth_time": now, "amr": ["pwd"], "roles": ["user"], "scope": "openid",
    }  # fmt: skip
    return key.token(claims | changes)


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Waits until something holds, and fails when it does not within this time."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)
