"""The check of a token, from its text to its claims. It asks nobody."""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .claims import Claims, read_claims, read_header
from .freshness import Freshness
from .keys import Key, read_keys
from .refused import Reason, Refused
from .revocations import Revocations
from .settings import Settings
from .strict import NotStrict, decode

LONGEST_TOKEN: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class _Checked:
    """A token whose signature and claims are right. What changes with time is not settled here."""

    claims: Claims
    not_before: int
    key: Key


class Checker:
    """Checks access tokens of one issuer for one audience. May be used from several threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = settings.issuer
        self._audience = settings.audience or settings.issuer
        self._leeway = settings.leeway
        self._capacity = settings.cache_capacity
        self._keys: dict[str, Key] = {}
        self.revocations = Revocations(
            settings.leeway, settings.most_revocations, clock=clock, steady_clock=steady_clock
        )
        self.freshness = Freshness(
            is_followed=bool(settings.feed_token), refuse_after=settings.refuse_after, steady_clock=steady_clock
        )
        # Tokens that passed every check, the ones used last at the end, by the SHA-256 of the whole token. Issuer and
        # audience have no part in the name, because they never change here.
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()
        self._cache_lock = threading.Lock()

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of the keys in use."""
        return frozenset(self._keys)

    @property
    def known_tokens(self) -> int:
        """How many checked tokens are remembered now."""
        return len(self._checked)

    def set_keys(self, document: bytes) -> None:
        """Replaces the keys by those of a JWKS document. A document with an error in it changes nothing.

        A key that stays keeps its object, so tokens checked with it stay checked; every other one is marked as
        withdrawn, which ends them.
        """
        keys = read_keys(document)
        before = self._keys
        for key_id, old in before.items():
            new = keys.get(key_id)
            if new is not None and new.is_same(old):
                keys[key_id] = old
        self._keys = keys
        for key_id, old in before.items():
            old.withdrawn = keys.get(key_id) is not old

    def check(self, token: str, now: float) -> tuple[Claims, bool]:
        """Checks an access token. The second value says whether it was known already. Raises `Refused`."""
        if len(token) > LONGEST_TOKEN:
            raise Refused(Reason.MALFORMED)
        raw = token.encode("utf-8", "surrogatepass")
        if len(raw) > LONGEST_TOKEN:
            raise Refused(Reason.MALFORMED)
        fingerprint = hashlib.sha256(raw).digest()
        with self._cache_lock:
            known = self._checked.get(fingerprint)
            if known is not None:
                self._checked.move_to_end(fingerprint)
        # A withdrawn key may have come back, so its token is not refused here but checked anew.
        if known is not None and not known.key.withdrawn:
            self._require_good_now(known, now)
            return known.claims, True
        checked = self._check_in_full(token)
        self._require_good_now(checked, now)
        with self._cache_lock:
            self._checked[fingerprint] = checked
            while len(self._checked) > self._capacity:
                self._checked.popitem(last=False)
        return checked.claims, False

    def require_still_good(self, claims: Claims, now: float) -> None:
        """Asks about claims of an earlier check whatever can have changed since. Raises `Refused`."""
        self._require_key(claims)
        self._require_living(claims, now)
        self._require_trusted(claims)

    def is_revoked(self, claims: Claims) -> bool:
        """Whether the user, the session or the key behind these claims was ended."""
        try:
            self._require_key(claims)
        except Refused:
            return True
        return not self.revocations.is_good(claims)

    def _check_in_full(self, token: str) -> _Checked:
        """Everything about a token that never changes.

        The payload is not even decoded before the signature is verified, so a stranger's JSON goes no further than
        the header.
        """
        parts = token.split(".")
        if len(parts) != 3:
            raise Refused(Reason.MALFORMED)
        header = read_header(parts[0])
        keys = self._keys
        if not keys:
            raise Refused(Reason.NOT_READY)
        key = keys.get(header.key_id)
        if key is None or not self.revocations.is_key_good(header.key_id):
            raise Refused(Reason.UNKNOWN_KEY)
        try:
            signature = decode(parts[2])
        except NotStrict as error:
            raise Refused(Reason.MALFORMED) from error
        if not key.verifies(header.algorithm, f"{parts[0]}.{parts[1]}".encode("utf-8", "surrogatepass"), signature):
            raise Refused(Reason.BAD_SIGNATURE)
        claims, not_before = read_claims(parts[1], header.key_id)
        return _Checked(claims, not_before, key)

    def _require_good_now(self, checked: _Checked, now: float) -> None:
        """Everything that decides whether a token is good here and now.

        Known tokens and new ones both come through here, and nothing of it is remembered.
        """
        if checked.key.withdrawn or not self.revocations.is_key_good(checked.claims.kid):
            raise Refused(Reason.UNKNOWN_KEY)
        self._require_living(checked.claims, now)
        if checked.not_before > now + self._leeway:
            raise Refused(Reason.NOT_YET_VALID)
        self._require_trusted(checked.claims)

    def _require_key(self, claims: Claims) -> None:
        """Its key still counts."""
        if claims.kid not in self._keys or not self.revocations.is_key_good(claims.kid):
            raise Refused(Reason.UNKNOWN_KEY)

    def _require_living(self, claims: Claims, now: float) -> None:
        """It is ours and has not expired."""
        if claims.iss != self._issuer:
            raise Refused(Reason.WRONG_ISSUER)
        if claims.aud != self._audience:
            raise Refused(Reason.WRONG_AUDIENCE)
        if now >= claims.exp + self._leeway:
            raise Refused(Reason.EXPIRED)

    def _require_trusted(self, claims: Claims) -> None:
        """Nobody has ended it."""
        if not self.revocations.is_good(claims):
            raise Refused(Reason.REVOKED)
        # Last, so that it only ever stands for a yes that cannot be given: a bad token stays bad.
        self.freshness.require()
