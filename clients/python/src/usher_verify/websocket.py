"""A WebSocket that ends with its token, because a token is sent once and the connection may live for days."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from .answers import answer_for
from .claims import Claims
from .verifier import Verifier

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

WATCH_SECONDS: Final = 1.0
# A server holds a message back while the other side does not read. That must not hold back the end.
CLOSE_SECONDS: Final = 5.0


class GuardedSocket:
    """One WebSocket, asked about by the clock: a side that is silent would otherwise never be cut off.

    At the first no the other side gets a close, and the application a disconnect; what it still sends is an
    `OSError`, as after any other disconnect.
    """

    def __init__(self, verifier: Verifier, claims: Claims, receive: Receive, send: Send) -> None:
        self._verifier = verifier
        self._claims = claims
        self._receive = receive
        self._send = send
        self._end: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        # A message that is waited for. It outlives a `receive` that the application gives up, or it would be lost.
        self._next: asyncio.Future[Message] | None = None
        self._is_closed = False

    async def run(self, app: Application, scope: Scope) -> None:
        """Runs the application with this WebSocket."""
        watch = asyncio.create_task(self._watch())
        try:
            await app(scope, self.receive, self.send)
        finally:
            # When it has ended, the close is on its way and has to get there.
            if not self._end.done():
                watch.cancel()
            tasks = [watch] if self._next is None else [watch, self._next]
            if self._next is not None:
                self._next.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def receive(self) -> Message:
        """The next message, or the disconnect when the token is no longer good."""
        if self._next is None and not self._end.done():
            self._next = asyncio.ensure_future(self._receive())
        if self._next is not None:
            await asyncio.wait({self._next, self._end}, return_when=asyncio.FIRST_COMPLETED)
        # What came at last counts only as long as the token does.
        if self._end.done() or self._is_over():
            return self._end.result()
        message, self._next = self._next, None
        return message.result() if message is not None else self._end.result()

    async def send(self, message: Message) -> None:
        """Sends what the application says."""
        if self._end.done():
            raise ConnectionError("the access token of this WebSocket is no longer good")
        self._is_closed = self._is_closed or message["type"] == "websocket.close"
        await self._send(message)

    async def _watch(self) -> None:
        while not self._is_over():
            # It ends early when a message was the first to find out.
            await asyncio.wait({self._end}, timeout=WATCH_SECONDS)
        end = self._end.result()
        if self._is_closed:
            return
        # A server may have closed it by itself meanwhile, and each says so with another error.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send({"type": "websocket.close", "code": end["code"], "reason": end["reason"]})

    def _is_over(self) -> bool:
        """Whether the token is no longer good; from the first no on, for ever."""
        if not self._end.done() and (refused := self._verifier.why_no_longer_good(self._claims)) is not None:
            answer = answer_for(refused)
            self._end.set_result({"type": "websocket.disconnect", "code": answer.close_code, "reason": answer.code})
        return self._end.done()
