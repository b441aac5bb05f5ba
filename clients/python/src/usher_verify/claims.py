"""The claims of an access token, and what its header may say."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, TypeVar

from .refused import Reason, Refused
from .strict import JsonObject, NotStrict, decode, parse_object

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Claims:
    """What the issuer says about the caller (RFC 9068 §2.2). Times are seconds since 1970.

    The pair of `iss` and `sub` is who the caller is; nothing else in a token is.
    """

    iss: str
    sub: str
    aud: str
    sid: str
    epoch: int
    """The user's epoch when the token was made. A revocation names the lowest one still good."""
    client_id: str
    iat: int
    exp: int
    jti: str
    auth_time: int
    """When the user last proved who they are."""
    amr: tuple[str, ...]
    """How they proved it (RFC 8176). Empty when the token does not say, which proves nothing."""
    roles: tuple[str, ...]
    scope: str
    """What the token allows, words with spaces between."""
    kid: str
    """Which key signed the token. It is from the header and no claim, and it is kept because whoever holds a
    connection open has to notice when the key is withdrawn."""

    def has(self, roles: Collection[str] = (), scopes: Collection[str] = ()) -> bool:
        """Whether the token has any of these roles (if there are any) and all of these scopes."""
        granted = {word for word in self.scope.split(" ") if word}
        return (not roles or not set(roles).isdisjoint(self.roles)) and granted.issuperset(scopes)


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says: which key signed. Nothing else in it is believed."""

    algorithm: str
    key_id: str


# We know no critical extension (RFC 7515 §4.1.11), and a reader that honoured `b64`, `zip` or `enc` would see another
# payload than we do.
_CHANGES_THE_READING: Final = frozenset({"crit", "b64", "zip", "enc"})


def read_header(encoded: str) -> Header:
    """Reads the first part of a token.

    Keys that a token brings along or points to (`jwk`, `jku`, `x5c`, `x5u`) are not even looked at: whoever forges a
    token can also write those.
    """
    members = _object(encoded)
    if not _CHANGES_THE_READING.isdisjoint(members):
        raise Refused(Reason.MALFORMED)
    kind = members.get("typ")
    # RFC 9068 §4 with RFC 7515 §4.1.9: a media type in any case, its `application/` may be left out. Not ASCII means
    # no: lower() makes a k of the Kelvin sign.
    if not isinstance(kind, str) or not kind.isascii() or kind.lower().removeprefix("application/") != "at+jwt":
        raise Refused(Reason.WRONG_TYPE)
    algorithm, key_id = members.get("alg"), members.get("kid")
    if not isinstance(algorithm, str) or not isinstance(key_id, str) or not algorithm or not key_id:
        raise Refused(Reason.MALFORMED)
    return Header(algorithm, key_id)


def read_claims(encoded: str, key_id: str) -> tuple[Claims, int]:
    """Reads the second part of a token whose signature was verified with the key of this id.

    The number beside the claims is when the token begins to be valid: the later one of `iat` and `nbf`.
    """
    members = _object(encoded)
    claims = Claims(
        iss=_required(members, "iss", _text),
        sub=_required(members, "sub", _text),
        aud=_required(members, "aud", _audience),
        sid=_required(members, "sid", _text),
        epoch=_required(members, "epoch", _integer),
        client_id=_required(members, "client_id", _text),
        iat=_required(members, "iat", _integer),
        exp=_required(members, "exp", _integer),
        jti=_required(members, "jti", _text),
        auth_time=_required(members, "auth_time", _integer),
        amr=_optional(members, "amr", _texts, ()),
        roles=_optional(members, "roles", _texts, ()),
        scope=_optional(members, "scope", _any_text, ""),
        kid=key_id,
    )
    return claims, max(claims.iat, _optional(members, "nbf", _integer, claims.iat))


def _object(encoded: str) -> JsonObject:
    try:
        return parse_object(decode(encoded))
    except NotStrict as error:
        raise Refused(Reason.MALFORMED) from error


def _required(members: JsonObject, name: str, read: Callable[[object], _Value]) -> _Value:
    if name not in members:
        raise Refused(Reason.MISSING_CLAIM)
    return read(members[name])


def _optional(members: JsonObject, name: str, read: Callable[[object], _Value], default: _Value) -> _Value:
    return read(members[name]) if name in members else default


def _any_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise Refused(Reason.MALFORMED)


def _text(value: object) -> str:
    """Text that is not empty: an empty subject or session would be shared by everyone who has none."""
    if text := _any_text(value):
        return text
    raise Refused(Reason.MALFORMED)


def _integer(value: object) -> int:
    # `True` is an int to Python.
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Refused(Reason.MALFORMED)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_any_text(item) for item in value)
    raise Refused(Reason.MALFORMED)


def _audience(value: object) -> str:
    """A text or a list of one text.

    A token that is good at several services is not taken: any one of them could use it at the others.
    """
    if isinstance(value, list):
        if len(value) != 1:
            raise Refused(Reason.WRONG_AUDIENCE)
        return _any_text(value[0])
    return _any_text(value)
