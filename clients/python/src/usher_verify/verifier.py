"""The verifier: a checker, and the tasks that keep its keys and its revocations fresh."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

import httpx

from .checker import Checker
from .claims import Claims
from .connection import Backoff, Connection, Unusable
from .keys import KeysRefused
from .metrics import Counters, as_dictionary, as_openmetrics
from .refused import Forbidden, Reason, Refused
from .settings import Settings
from .stream import Feed, NeedSnapshot

KEYS_EVERY_SECONDS: Final = 300.0
UNKNOWN_KEY_EVERY_SECONDS: Final = 60.0
REPORT_EVERY_SECONDS: Final = 5.0
SWEEP_EVERY_SECONDS: Final = 60.0
# A server that sends a byte now and then, and never a whole event, would otherwise never be left.
EVENT_SECONDS: Final = 30.0
START_SECONDS: Final = 5.0

_log = logging.getLogger("usher_verify")
_NETWORK_TROUBLE: Final = (httpx.HTTPError, httpx.InvalidURL, Unusable, TimeoutError, OSError)


class Verifier:
    """Checks access tokens with what is in memory, and follows Usher to keep that fresh.

    In an asynchronous service use `async with verifier:` (or `start` and `stop`), in a synchronous one
    `with verifier:`, which follows Usher in a thread of its own. `check` may be called from anywhere.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._steady = steady_clock
        self._checker = Checker(settings, clock=clock, steady_clock=steady_clock)
        self._counters = Counters()
        self._feed = Feed(self._checker.revocations, keys_changed=self._wake_for_event, heard=self._hear)
        self._reported: int | None = None
        self._unknown_key_at: float | None = None
        self._unknown_key_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._thread: _Thread | None = None
        # Made anew at each start, because they belong to its event loop.
        self._wake = asyncio.Event()
        self._fetched = asyncio.Event()
        self._progress = asyncio.Event()

    # What is asked at each request.

    def check(self, token: str, *, roles: tuple[str, ...] = (), scopes: tuple[str, ...] = ()) -> Claims:
        """Checks a token with what is in memory, in microseconds.

        Needs any of the roles (if there are any) and all of the scopes. Raises `Refused` or `Forbidden`.
        """
        try:
            return self._attempt(token, roles, scopes)
        except Refused as refused:
            if refused.reason is Reason.UNKNOWN_KEY and self._may_ask_for_unknown_key():
                self._wake_keys()
            self._count_refused(refused)
            raise

    async def check_or_fetch(self, token: str, *, roles: tuple[str, ...] = (), scopes: tuple[str, ...] = ()) -> Claims:
        """Like `check`, but a token of a key that was published just now waits for that key.

        Usher is asked at most once in 60 s, and only the one token that made it ask waits.
        """
        try:
            try:
                return self._attempt(token, roles, scopes)
            except Refused as refused:
                follows_here = self._loop is asyncio.get_running_loop()
                if refused.reason is not Reason.UNKNOWN_KEY or not follows_here or not self._may_ask_for_unknown_key():
                    raise
            self._fetched.clear()
            self._wake.set()
            await self._fetched.wait()
            return self._attempt(token, roles, scopes)
        except Refused as refused:
            self._count_refused(refused)
            raise

    def is_revoked(self, claims: Claims) -> bool:
        """Whether the user, the session or the key behind claims from an earlier check was ended since.

        It does not know the time: what was revoked is forgotten when all tokens of then have expired. For connections
        that live long, `is_still_good` is the question.
        """
        return self._checker.is_revoked(claims)

    def is_still_good(self, claims: Claims) -> bool:
        """Whether claims from an earlier check are still good, for whoever keeps a connection open.

        Ask every second or so, and end the connection at the first no. It is no when the token has expired (and the
        leeway after it has passed), when its key was withdrawn, when its user or session was ended, and when the
        policy for a feed that cannot be heard would refuse the token now.

        A connection cannot outlive the token that opened it: what was revoked is forgotten when no token can be
        refused by it any more, so nobody would know later.
        """
        return self.why_no_longer_good(claims) is None

    def why_no_longer_good(self, claims: Claims) -> Refused | None:
        """Why `is_still_good` says no, or None when it says yes."""
        try:
            self._checker.require_still_good(claims, self._clock())
        except Refused as refused:
            return refused
        return None

    # What can be read about it.

    @property
    def position(self) -> int:
        """The number of the last ledger entry that is known here, 0 before the first."""
        return self._feed.position or 0

    @property
    def staleness(self) -> float | None:
        """Seconds since the feed last said something whole while everything before it was known.

        None before the first time. A feed that talks without ever becoming current does not count as heard.
        """
        return self._checker.freshness.seconds

    @property
    def is_current(self) -> bool:
        """Whether everything up to `position` is known: not before the first snapshot, not after a gap."""
        return self._feed.current

    @property
    def is_ready(self) -> bool:
        """Whether tokens can be checked: there are keys, and what is revoked was known once (if there is a feed)."""
        return self._has_keys and self._checker.freshness.is_known

    def metrics(self) -> dict[str, float]:
        """All numbers by name."""
        return as_dictionary(self._counters, self._gauges())

    def openmetrics(self) -> str:
        """All numbers as OpenMetrics text."""
        return as_openmetrics(self._counters, self._gauges())

    def _gauges(self) -> dict[str, float]:
        staleness = self.staleness
        return {
            "ready": int(self.is_ready),
            # As long as nothing was heard there is no such number, and any would be a wrong one.
            **({} if staleness is None else {"staleness_seconds": round(staleness, 3)}),
            "position": self.position,
            "current": int(self.is_current),
            "revocations": len(self._checker.revocations),
            "revocations_widened": int(self._checker.revocations.is_widened),
            "keys": len(self._checker.key_ids),
            "known_tokens": self._checker.known_tokens,
        }

    # Start and stop.

    async def start(self, *, wait: float = START_SECONDS) -> None:
        """Starts to follow Usher, and waits a while for keys and for the first snapshot.

        It returns without them when Usher is down, and goes on trying. Until it has both, every good token is refused
        with `not_ready`.
        """
        if self._tasks:
            return
        self._loop = asyncio.get_running_loop()
        self._wake, self._fetched, self._progress = asyncio.Event(), asyncio.Event(), asyncio.Event()
        connection = Connection(self.settings)
        jobs: list[Callable[[Connection], Awaitable[None]]] = [self._keep_keys, self._sweep]
        if self.settings.feed_token:
            jobs += [self._follow, self._report]
        else:
            _log.warning("usher: no feed token, so revoked tokens are accepted until they expire")
        self._tasks = [asyncio.create_task(self._run(job, connection)) for job in jobs]
        self._tasks.append(asyncio.create_task(self._close_at_the_end(connection)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while not self.is_ready:
                    self._progress.clear()
                    await self._progress.wait()

    async def stop(self) -> None:
        """Ends all tasks and connections. What is known stays, so checks still work."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop = None
        self._fetched.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def __enter__(self) -> Self:
        self._thread = _Thread(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[None]:
        """For `Starlette(lifespan=verifier.lifespan)` and its like."""
        async with self:
            yield

    # What runs beside the requests.

    async def _run(self, job: Callable[[Connection], Awaitable[None]], connection: Connection) -> None:
        """Runs a job for ever. A mistake in it is logged and does not end it: it keeps the revocations coming."""
        while True:
            try:
                await job(connection)
            except Exception:
                _log.exception("usher: %s failed and starts again", getattr(job, "__name__", "a task"))
                await asyncio.sleep(1)

    async def _close_at_the_end(self, connection: Connection) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await connection.close()

    async def _keep_keys(self, connection: Connection) -> None:
        backoff = Backoff(first=0.25, most=5)
        failed = False
        while True:
            self._wake.clear()
            if failed and self._has_keys:
                # This is the one attempt of this minute, so an unknown key may not ask for another.
                self._unknown_key_at = self._steady()
            try:
                self._checker.set_keys(await connection.fetch_keys())
            except (*_NETWORK_TROUBLE, KeysRefused) as error:
                failed = True
                self._counters.count("key_fetches", "result", "failed")
                _log.warning("usher: the keys could not be fetched: %r", error)
                # With keys there is no hurry, and a storm of unknown keys must not become a storm of fetches.
                pause = UNKNOWN_KEY_EVERY_SECONDS if self._has_keys else backoff.next()
            else:
                failed = False
                self._counters.count("key_fetches", "result", "ok")
                pause = KEYS_EVERY_SECONDS
            self._fetched.set()
            self._progress.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _follow(self, connection: Connection) -> None:
        backoff = Backoff(first=0.1, most=2)
        while True:
            # In the middle of a snapshot there is no place to go on from.
            resume = self._feed.last_event_id if self._feed.current else None
            self._feed.connect(resume)
            begun = self._steady()
            try:
                async with asyncio.timeout(EVENT_SECONDS) as patience, connection.feed(resume) as chunks:
                    self._counters.count("feed_connections")
                    async for chunk in chunks:
                        if self._feed.receive(chunk) > 0:
                            patience.reschedule(asyncio.get_running_loop().time() + EVENT_SECONDS)
                _log.info("usher: the feed ended, it is resumed after %s", self._feed.last_event_id)
            except NeedSnapshot as error:
                self._counters.count("feed_gaps")
                _log.warning("usher: a new snapshot is needed: %s", error)
            except _NETWORK_TROUBLE as error:
                _log.warning("usher: the feed is lost: %r", error)
            self._counters.count("feed_failures")
            # Only a connection that lasted takes the waiting back, so that a feed that always fails is left alone.
            if self._steady() - begun >= REPORT_EVERY_SECONDS:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    async def _report(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_SECONDS)
            applied = self._feed.last_event_id
            if self._feed.current and applied is not None and applied != self._reported:
                try:
                    await connection.report(applied)
                    self._reported = applied
                except _NETWORK_TROUBLE as error:
                    _log.info("usher: the position could not be reported: %r", error)

    async def _sweep(self, _connection: Connection) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_SECONDS)
            self._checker.revocations.sweep()

    # Small things.

    def _attempt(self, token: str, roles: tuple[str, ...], scopes: tuple[str, ...]) -> Claims:
        claims, known = self._checker.check(token, self._clock())
        self._counters.count("checks", "token", "known" if known else "new")
        if not claims.has(roles, scopes):
            self._counters.count("forbidden")
            raise Forbidden
        return claims

    def _count_refused(self, refused: Refused) -> None:
        self._counters.count("refused", "reason", refused.reason.value)

    @property
    def _has_keys(self) -> bool:
        return bool(self._checker.key_ids)

    def _hear(self) -> None:
        self._checker.freshness.heard()
        self._progress.set()

    def _may_ask_for_unknown_key(self) -> bool:
        with self._unknown_key_lock:
            now = self._steady()
            if self._unknown_key_at is not None and now - self._unknown_key_at < UNKNOWN_KEY_EVERY_SECONDS:
                return False
            self._unknown_key_at = now
            return True

    def _wake_for_event(self) -> None:
        self._wake.set()

    def _wake_keys(self) -> None:
        """May be called from another thread than the one that fetches."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake.set)


class _Thread:
    """An event loop in a thread of its own, for services that have none."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="usher-verify", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(verifier.start(), self._loop).result()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._verifier.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
