"""What all cases of tokens.json are made from: the good token, and how a case is written down."""

from collections.abc import Iterator
from typing import Any

from signing import SigningKey, compact

ISSUER = "https://id.example"
AUDIENCE = "https://api.example"
LEEWAY = 60
NOW = 1_800_000_000

Case = dict[str, Any]

SETTINGS = {"issuer": ISSUER, "audience": AUDIENCE, "leeway": LEEWAY}


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token, with some of them changed or added."""
    return {
        "iss": ISSUER,
        "sub": "ann",
        "aud": AUDIENCE,
        "sid": "session-1",
        "epoch": 3,
        "client_id": "browser",
        "iat": NOW,
        "exp": NOW + 900,
        "jti": "token-1",
        "auth_time": NOW - 10,
        "amr": ["pwd"],
        "roles": ["user", "editor"],
        "scope": "openid profile",
    } | changes


def claims_without(name: str) -> dict[str, Any]:
    return {key: value for key, value in claims().items() if key != name}


def claims_and(more: str) -> str:
    """The claims of a good token as text, with more text behind the last member."""
    return f"{compact(claims())[:-1]},{more}}}"


def case(name: str, token: str, expect: str, now: int = NOW, **more: Any) -> Case:
    return {"name": name, "token": token, "now": now, **more, "expect": expect}


class TokenCases:
    """The cases of one subject; each generator of a subclass is named in its `all`."""

    def __init__(self, keys: list[SigningKey], strangers: list[SigningKey]) -> None:
        self.keys = keys
        self.edwards, self.elliptic, self.rsa = keys
        self.strangers = strangers

    def all(self) -> Iterator[Case]:
        raise NotImplementedError
