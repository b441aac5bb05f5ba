"""JSON and base64url as this package trusts them: one text means one thing, to every reader.

Two readers that each pick another one of two equal members see two different tokens (RFC 8725 §2.4), and a lenient
number (`"exp": "9e99"`) has switched off expiry elsewhere (CVE-2026-25537).
"""

import base64
import json
import math
import re
from collections.abc import Iterable
from typing import Final, NoReturn

LARGEST_INTEGER: Final = 2**63 - 1
DEEPEST: Final = 127

_TEXT_IN_JSON: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")


class NotStrict(ValueError):
    """The text is not of the one form that is accepted."""


class Other:
    """A number that is present but is never the right type: a fraction, or an integer beyond 64 bits."""


JsonObject = dict[str, object]
_OTHER: Final = Other()


def parse_object(document: bytes) -> JsonObject:
    """Reads a whole document that has to be one object."""
    try:
        text = document.decode("utf-8")
        _require_shallow(text)
        value = json.loads(
            text,
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
        )
        if "\\u" in text:
            # Half of a surrogate pair is no character, and it cannot be written out again.
            json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except ValueError as error:
        raise NotStrict("not strict JSON") from error
    if not isinstance(value, dict):
        raise NotStrict("not an object")
    return value


def decode(encoded: str) -> bytes:
    """Decodes base64url without padding, in its one canonical form.

    Stray last bits are refused, so that no two texts stand for one signature.
    """
    if _BASE64URL.fullmatch(encoded) is None or len(encoded) % 4 == 1:
        raise NotStrict("not base64url")
    decoded = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != encoded:
        raise NotStrict("not canonical base64url")
    return decoded


def _members(pairs: Iterable[tuple[str, object]]) -> JsonObject:
    members: JsonObject = {}
    for name, value in pairs:
        if name in members:
            raise NotStrict("a member stands twice")
        members[name] = value
    return members


def _integer(text: str) -> object:
    if text == "-0":
        return _OTHER
    # A number that no double holds is refused as a whole. Long before that, Python itself refuses to read it.
    if len(text) > 300:
        _fraction(text)
        return _OTHER
    number = int(text)
    return number if -LARGEST_INTEGER - 1 <= number <= LARGEST_INTEGER else _OTHER


def _fraction(text: str) -> object:
    if math.isinf(float(text)):
        raise NotStrict("a number is beyond a double")
    return _OTHER


def _constant(name: str) -> NoReturn:
    raise NotStrict(f"{name} is not JSON")


def _require_shallow(text: str) -> None:
    """Bounds the depth before the parser recurses, because its own limit depends on who calls it."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for character in _TEXT_IN_JSON.sub("", text):
        if character in "[{":
            depth += 1
            if depth > DEEPEST:
                raise NotStrict("too deep")
        elif character in "]}":
            depth -= 1
