"""How long ago the issuer was heard, and what follows from that."""

from collections.abc import Callable

from .refused import Reason, Refused


class Freshness:
    """When a feed was heard last while everything that it had said was known.

    Bytes of a feed that never becomes current count for nothing: they say that somebody is there, and not that no
    revocation is missing. Without a feed nothing is expected, and nothing is ever too old.
    """

    def __init__(self, *, is_followed: bool, refuse_after: float | None, steady_clock: Callable[[], float]) -> None:
        self._is_followed = is_followed
        self._refuse_after = refuse_after
        self._steady = steady_clock
        self._heard_at: float | None = None

    def heard(self) -> None:
        """Notes that the issuer was heard now, and that everything it said is applied."""
        self._heard_at = self._steady()

    @property
    def is_known(self) -> bool:
        """Whether everything was known once."""
        return not self._is_followed or self._heard_at is not None

    @property
    def seconds(self) -> float | None:
        """Seconds since the issuer was heard, or None before the first time."""
        heard_at = self._heard_at
        return None if heard_at is None else max(0.0, self._steady() - heard_at)

    def require(self) -> None:
        """Raises `Refused` when too little is known to call a token good."""
        if not self.is_known:
            raise Refused(Reason.NOT_READY)
        seconds = self.seconds
        if self._refuse_after is not None and seconds is not None and seconds > self._refuse_after:
            raise Refused(Reason.STALE)
