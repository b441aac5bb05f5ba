"""The issuer's public keys, as its JWKS publishes them (RFC 7517, RFC 8037)."""

from enum import StrEnum
from typing import Final

import jwt

from .strict import JsonObject, NotStrict, decode, parse_object

LONGEST_DOCUMENT: Final = 64 * 1024

# RFC 7518 §6.2.2, §6.3.2 and §6.4.1, RFC 8037 §2.
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

# The names that PyJWT has for the algorithms of the keys. RFC 9864 renames EdDSA over this curve to Ed25519.
_ALGORITHMS: Final = {"EdDSA": "EdDSA", "Ed25519": "EdDSA", "ES256": "ES256", "RS256": "RS256"}


class KeysProblem(StrEnum):
    """Why a JWKS document was not taken. The keys from before stay in use."""

    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    PRIVATE_KEY = "private_key"
    """A private member is published: nothing that these keys sign can be trusted any more."""
    REPEATED_ID = "repeated_id"
    INVALID_KEY = "invalid_key"
    EMPTY = "empty"


class KeysRefused(Exception):
    """A JWKS document was refused as a whole."""

    def __init__(self, problem: KeysProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class Key:
    """One public key. The algorithm is the key's: what a token's header says can only disagree."""

    def __init__(self, algorithm: str, members: dict[str, str]) -> None:
        self.algorithm = algorithm
        self.members = members
        self.withdrawn = False
        """Whether a later key set came without this key."""
        try:
            self._public = jwt.PyJWK(members, _ALGORITHMS[algorithm])
        except (jwt.PyJWTError, ValueError) as error:
            raise KeysRefused(KeysProblem.INVALID_KEY) from error

    def verifies(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's, by the algorithm that belongs to the key."""
        return algorithm == self.algorithm and self._public.Algorithm.verify(message, self._public.key, signature)

    def is_same(self, other: "Key") -> bool:
        """Whether both are one key."""
        return self.algorithm == other.algorithm and self.members == other.members


def read_keys(document: bytes) -> dict[str, Key]:
    """Reads a JWKS document. An error anywhere in it refuses all of it."""
    if len(document) > LONGEST_DOCUMENT:
        raise KeysRefused(KeysProblem.TOO_LONG)
    try:
        listed = parse_object(document).get("keys")
    except NotStrict as error:
        raise KeysRefused(KeysProblem.MALFORMED) from error
    if not isinstance(listed, list):
        raise KeysRefused(KeysProblem.MALFORMED)
    keys: dict[str, Key] = {}
    for members in listed:
        if not isinstance(members, dict):
            raise KeysRefused(KeysProblem.MALFORMED)
        found = _read_key(members)
        if found is None:
            continue
        key_id, key = found
        if key_id in keys:
            raise KeysRefused(KeysProblem.REPEATED_ID)
        keys[key_id] = key
    if not keys:
        raise KeysRefused(KeysProblem.EMPTY)
    return keys


def _read_key(members: JsonObject) -> tuple[str, Key] | None:
    """One key, or nothing for one that serves another purpose or an algorithm that we do not use.

    Such keys may stand in the set (RFC 7517 §5); their tokens are refused.
    """
    if not _PRIVATE_MEMBERS.isdisjoint(members):
        raise KeysRefused(KeysProblem.PRIVATE_KEY)
    purpose = _text(members, "use") if "use" in members else "sig"
    operations = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not all(isinstance(operation, str) for operation in operations):
        raise KeysRefused(KeysProblem.MALFORMED)
    if purpose != "sig" or "verify" not in operations:
        return None
    key_id, kind, algorithm = (_text(members, name) for name in ("kid", "kty", "alg"))
    match algorithm:
        case "EdDSA" | "Ed25519":
            _require(kind == "OKP" and _text(members, "crv") == "Ed25519")
            _require(len(_number(members, "x")) == 32)
            used = {"kty": kind, "crv": "Ed25519", "x": _text(members, "x")}
        case "ES256":
            _require(kind == "EC" and _text(members, "crv") == "P-256")
            _require(len(_number(members, "x")) == 32 and len(_number(members, "y")) == 32)
            used = {"kty": kind, "crv": "P-256", "x": _text(members, "x"), "y": _text(members, "y")}
        case "RS256":
            _require(kind == "RSA")
            _require_rsa(_number(members, "n"), _number(members, "e"))
            used = {"kty": kind, "n": _text(members, "n"), "e": _text(members, "e")}
        case _:
            return None
    return key_id, Key(algorithm, used)


def _require_rsa(modulus: bytes, exponent: bytes) -> None:
    """At least 2048 bits, and an odd exponent above 65536 (NIST SP 800-56B §6.2).

    With an exponent of 1 every text signs itself. A leading zero would make a short number look long.
    """
    _require(256 <= len(modulus) <= 1024 and modulus[0] >= (0x80 if len(modulus) == 256 else 1))
    _require(3 <= len(exponent) <= 4 and exponent[0] != 0 and exponent[-1] % 2 == 1)


def _text(members: JsonObject, name: str) -> str:
    value = members.get(name)
    if isinstance(value, str) and value:
        return value
    raise KeysRefused(KeysProblem.MALFORMED)


def _number(members: JsonObject, name: str) -> bytes:
    try:
        return decode(_text(members, name))
    except NotStrict as error:
        raise KeysRefused(KeysProblem.MALFORMED) from error


def _require(holds: bool) -> None:
    if not holds:
        raise KeysRefused(KeysProblem.INVALID_KEY)
