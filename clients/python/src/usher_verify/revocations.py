"""What the issuer has revoked and what could still be in somebody's hands."""

import math
import threading
import time
from collections.abc import Callable
from typing import Final

from .claims import Claims

# As long as no more are remembered, no key that was taken back is ever forgotten. Usher takes keys back by hand, so
# more of them than this say that something else is wrong.
MOST_KEYS: Final = 1000


class Revocations:
    """Which users' and sessions' tokens are dead although they have not expired.

    Whether a token is good is decided by its epoch and its session alone, never by comparing clocks, so a token made
    in the same second as a ban has no way through. Time only says when an entry may be forgotten: twice the leeway
    after the last token that it is about has expired, because a token is taken for that long after its `exp`, and the
    clock that wrote its `exp` may have been ahead by as much.

    There are at most `most` users and as many sessions. To forget one for want of room would let a revoked token
    through, and to stop all checks would let one storm close the whole service. So an entry without room is *widened*:
    from then on every token that expires no later than the last one which the entry is about is refused, whoever's it
    is. Tokens made a little later are good again, so people get through with their next refresh, and when all old
    tokens have expired the widening is swept away like an entry.

    One thread writes and any may read: a reader does single look-ups in dictionaries that are replaced, not emptied.
    """

    def __init__(
        self,
        leeway: int,
        most: int,
        *,
        clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep_longer = 2 * leeway
        self._most = most
        self._clock = clock
        self._steady = steady_clock
        self._subjects: dict[str, tuple[int, float]] = {}
        self._sessions: dict[str, float] = {}
        self._keys: dict[str, float] = {}
        # Tokens with an `exp` up to the first are refused, until the steady clock shows the second.
        self._widened = -math.inf
        self._forget_widened_at = -math.inf
        self._writing = threading.Lock()

    def end_subject(self, subject: str, below_epoch: int, seconds: float) -> None:
        """Ends all trust in a user that is older than `below_epoch`.

        `seconds` is how long the longest token that was made before now can live. Entries may come in any order and
        twice: the highest epoch and the latest time win.
        """
        with self._writing:
            if subject not in self._subjects and len(self._subjects) >= self._most:
                self._widen(seconds)
                return
            epoch, until = self._subjects.get(subject, (below_epoch, -math.inf))
            self._subjects[subject] = (max(epoch, below_epoch), max(until, self._forget_at(seconds)))

    def end_session(self, session: str, seconds: float) -> None:
        """Ends one session. `seconds` as in `end_subject`."""
        with self._writing:
            if session not in self._sessions and len(self._sessions) >= self._most:
                self._widen(seconds)
                return
            self._sessions[session] = max(self._sessions.get(session, -math.inf), self._forget_at(seconds))

    def end_key(self, key_id: str, seconds: float) -> None:
        """Ends everything that the key of this `kid` signed and will ever sign. `seconds` as in `end_subject`.

        It does not come back with a key set that still names it. Only if more than a thousand keys were taken back,
        those whose tokens have expired are forgotten.
        """
        with self._writing:
            self._keys[key_id] = max(self._keys.get(key_id, -math.inf), self._forget_at(seconds))

    def is_key_good(self, key_id: str) -> bool:
        """Whether this key was not taken back."""
        return key_id not in self._keys

    def is_good(self, claims: Claims) -> bool:
        """Whether neither the user's trust nor the session behind these claims was ended."""
        entry = self._subjects.get(claims.sub)
        return (
            claims.exp > self._widened
            and claims.sid not in self._sessions
            and (entry is None or claims.epoch >= entry[0])
        )

    def sweep(self) -> None:
        """Forgets entries whose time has passed: every token that they could refuse has expired by itself."""
        now = self._steady()
        with self._writing:
            self._subjects = {name: entry for name, entry in self._subjects.items() if entry[1] > now}
            self._sessions = {name: until for name, until in self._sessions.items() if until > now}
            if len(self._keys) > MOST_KEYS:
                self._keys = {name: until for name, until in self._keys.items() if until > now}
            if self._forget_widened_at <= now:
                self._widened = self._forget_widened_at = -math.inf

    @property
    def is_widened(self) -> bool:
        """Whether there was no room for everything, so that more is refused than was revoked."""
        return self._widened > -math.inf

    @property
    def subjects(self) -> dict[str, int]:
        """The lowest good epoch of each user who is remembered."""
        with self._writing:
            return {name: epoch for name, (epoch, _) in self._subjects.items()}

    @property
    def sessions(self) -> list[str]:
        """The ended sessions, sorted."""
        with self._writing:
            return sorted(self._sessions)

    @property
    def keys(self) -> list[str]:
        """The withdrawn keys, sorted."""
        with self._writing:
            return sorted(self._keys)

    def __len__(self) -> int:
        return len(self._subjects) + len(self._sessions) + len(self._keys)

    def _forget_at(self, seconds: float) -> float:
        return self._steady() + seconds + self._keep_longer

    def _widen(self, seconds: float) -> None:
        self._widened = max(self._widened, self._clock() + seconds + self._keep_longer)
        self._forget_widened_at = max(self._forget_widened_at, self._forget_at(seconds))
