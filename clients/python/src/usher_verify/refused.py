"""Why a token is refused."""

from enum import StrEnum


class Reason(StrEnum):
    """For the operator alone: it tells a forger how far a forgery got. The codes never change."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_TYPE = "wrong_type"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    MISSING_CLAIM = "missing_claim"
    REVOKED = "revoked"
    STALE = "stale"
    """The token may be good, but what was revoked lately is not known, and the staleness policy says to refuse."""
    NOT_READY = "not_ready"
    """There are no keys yet, or the feed has not yet said what is revoked."""


class Refused(Exception):
    """A token was refused. Log the reason, and tell the caller only that it was."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Forbidden(Exception):
    """The token is good, but it lacks a role or a scope."""
