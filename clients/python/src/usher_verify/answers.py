"""What a caller is told: problem documents (RFC 9457) that never say why a token was refused."""

import json
from dataclasses import dataclass
from typing import Final

from .refused import Forbidden, Reason, Refused


@dataclass(frozen=True, slots=True)
class Answer:
    """One refusal, over HTTP and over a WebSocket."""

    status: int
    code: str
    title: str
    detail: str
    headers: tuple[tuple[str, str], ...]
    close_code: int
    """What a WebSocket is closed with."""

    def body(self) -> bytes:
        """The problem document."""
        members = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        return json.dumps(members, separators=(",", ":")).encode()

    def all_headers(self) -> list[tuple[str, str]]:
        """With those that belong to every refusal. No cache may give it to somebody else."""
        return [("content-type", "application/problem+json"), ("cache-control", "no-store"), *self.headers]


NO_TOKEN: Final = Answer(
    401, "unauthenticated", "Unauthorized", "An access token is needed.", (("www-authenticate", "Bearer"),), 4401
)
BAD_TOKEN: Final = Answer(
    401,
    "unauthenticated",
    "Unauthorized",
    "The access token is not accepted.",
    (("www-authenticate", 'Bearer error="invalid_token"'),),
    4401,
)
FORBIDDEN: Final = Answer(
    403,
    "forbidden",
    "Forbidden",
    "The access token lacks a role or a scope.",
    (("www-authenticate", 'Bearer error="insufficient_scope"'),),
    4403,
)
NOT_READY: Final = Answer(
    503,
    "not_ready",
    "Service Unavailable",
    "Access tokens cannot be checked at the moment.",
    (("retry-after", "5"),),
    1013,
)
STALE: Final = Answer(
    503,
    "revocations_stale",
    "Service Unavailable",
    "Access tokens cannot be checked at the moment.",
    (("retry-after", "5"),),
    1013,
)


def answer_for(error: Refused | Forbidden) -> Answer:
    """What the caller is told about a refusal."""
    if isinstance(error, Forbidden):
        return FORBIDDEN
    match error.reason:
        case Reason.NOT_READY:
            return NOT_READY
        case Reason.STALE:
            return STALE
        case _:
            return BAD_TOKEN


def bearer_token(authorization: list[bytes]) -> str | None:
    """The token of the `Authorization` headers, or nothing for a request that brings none.

    A malformed one is given as it stands, so that it is refused as a bad token. So are two headers: two readers could
    each take another one.
    """
    if len(authorization) > 1:
        return ""
    scheme, _, rest = b"".join(authorization).decode("latin-1").strip(" \t").partition(" ")
    return rest.lstrip(" ") if scheme.lower() == "bearer" else None
