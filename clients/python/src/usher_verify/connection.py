"""Everything that goes over the network: the key set, the feed, and the report of how far we are."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx

from .keys import LONGEST_DOCUMENT
from .settings import Settings

CONNECT_SECONDS: Final = 5
KEYS_SECONDS: Final = 10
# The feed says something every 5 s. A connection that is silent for three times as long is dead.
FEED_SILENCE_SECONDS: Final = 15


class Unusable(Exception):
    """Usher was reached, but the answer is none that can be used."""


class Connection:
    """Requests to one Usher. Redirects are not followed: the service token is for one address."""

    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._authorization = {"Authorization": f"Bearer {settings.feed_token}"}
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(FEED_SILENCE_SECONDS, connect=CONNECT_SECONDS), follow_redirects=False
        )

    async def close(self) -> None:
        """Ends all connections."""
        await self._client.aclose()

    async def fetch_keys(self) -> bytes:
        """The JWKS document, or one byte more than it may have."""
        document = b""
        async with (
            asyncio.timeout(KEYS_SECONDS),
            self._client.stream("GET", f"{self._base}/.well-known/jwks.json") as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise Unusable(f"the key set was answered with {response.status_code}")
            async for chunk in response.aiter_bytes(16 * 1024):
                document += chunk
                if len(document) > LONGEST_DOCUMENT:
                    break
        return document

    @asynccontextmanager
    async def feed(self, resume: int | None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Opens the feed after a position, or from a snapshot, and gives its bytes as they come."""
        # Compression would hold small events back until there is enough to compress.
        headers = {**self._authorization, "Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if resume is not None:
            headers["Last-Event-ID"] = str(resume)
        async with self._client.stream("GET", f"{self._base}/api/v1/feed/revocations", headers=headers) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if response.status_code != httpx.codes.OK or kind != "text/event-stream":
                raise Unusable(f"the feed was answered with {response.status_code} {kind}")
            yield response.aiter_bytes()

    async def report(self, applied: int) -> None:
        """Tells Usher how far the feed has been applied here, for those who want to see how far a ban has got."""
        address = f"{self._base}/api/v1/feed/position"
        response = await self._client.put(address, json={"applied": applied}, headers=self._authorization)
        if response.status_code != httpx.codes.NO_CONTENT:
            raise Unusable(f"the position was answered with {response.status_code}")


class Backoff:
    """How long to wait before the next attempt: twice as long each time, and never the same for everybody."""

    def __init__(self, first: float, most: float, draw: Callable[[], float] = random.random) -> None:
        self._first = first
        self._most = most
        self._draw = draw
        self._next = first

    def reset(self) -> None:
        """The last attempt went well."""
        self._next = self._first

    def next(self) -> float:
        """Seconds until the next attempt."""
        wait = self._next
        self._next = min(self._most, 2 * wait)
        return wait * (0.5 + 0.5 * self._draw())
