"""What the issuer has revoked and what could still be in somebody's hands."""

import threading

from .claims import Claims


class Revocations:
    """Which users' and sessions' tokens are dead although they have not expired.

    Whether a token is good is decided by its epoch and its session alone, never by comparing clocks, so a token made
    in the same second as a ban has no way through. Time only says when an entry may be forgotten.

    One thread writes and any may read: a reader does single look-ups in dictionaries that are replaced, not emptied.
    """

    def __init__(self) -> None:
        self._subjects: dict[str, tuple[int, float]] = {}
        self._sessions: dict[str, float] = {}
        # Never forgotten: a key that was taken back stays dead for as long as a copy of the key set may bring it back,
        # and there are few.
        self._keys: set[str] = set()
        self._writing = threading.Lock()

    def end_subject(self, subject: str, below_epoch: int, forget_at: float) -> None:
        """Ends all trust in a user that is older than `below_epoch`. The highest epoch and the latest time win."""
        with self._writing:
            epoch, until = self._subjects.get(subject, (below_epoch, forget_at))
            self._subjects[subject] = (max(epoch, below_epoch), max(until, forget_at))

    def end_session(self, session: str, forget_at: float) -> None:
        """Ends one session."""
        with self._writing:
            self._sessions[session] = max(self._sessions.get(session, forget_at), forget_at)

    def end_key(self, key_id: str) -> None:
        """Ends everything that the key of this `kid` signed, for good."""
        with self._writing:
            self._keys.add(key_id)

    def is_key_good(self, key_id: str) -> bool:
        """Whether this key was not taken back."""
        return key_id not in self._keys

    def is_good(self, claims: Claims) -> bool:
        """Whether neither the user's trust nor the session behind these claims was ended."""
        entry = self._subjects.get(claims.sub)
        return claims.sid not in self._sessions and (entry is None or claims.epoch >= entry[0])

    def sweep(self, now: float) -> None:
        """Forgets entries whose time has passed: every token that they could refuse has expired by itself."""
        with self._writing:
            self._subjects = {name: entry for name, entry in self._subjects.items() if entry[1] > now}
            self._sessions = {name: until for name, until in self._sessions.items() if until > now}

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
