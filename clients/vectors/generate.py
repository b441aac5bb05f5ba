"""Writes tokens.json, jwks.json and feed.json. `--check` only says whether they are as this would write them.

Needs Python 3.11 and the package `cryptography` with OpenSSL 3.2 or newer (for RFC 6979).
"""

import json
import sys
from pathlib import Path
from typing import Any

from claimed_tokens import ClaimedTokens
from feed_cases import feed_cases
from forged_tokens import ForgedTokens
from hostile_tokens import HostileTokens
from key_set_cases import key_set_cases
from live_tokens import LiveTokens
from signing import load_keys
from token_case import SETTINGS

HERE = Path(__file__).parent


def lines(head: dict[str, Any], cases: list[dict[str, Any]]) -> str:
    """One case a line, so that a change shows as the lines that it changes."""
    names = [case["name"] for case in cases]
    repeated = {name for name in names if names.count(name) > 1}
    assert not repeated, f"two cases share a name: {repeated}"
    before = "".join(f"{json.dumps(name)}: {json.dumps(value)},\n" for name, value in head.items())
    inner = ",\n".join(json.dumps(case) for case in cases)
    return f'{{\n{before}"cases": [\n{inner}\n]\n}}\n'


def main() -> int:
    keys, strangers = load_keys()
    subjects = (ClaimedTokens, ForgedTokens, HostileTokens, LiveTokens)
    tokens = [case for subject in subjects for case in subject(keys, strangers).all()]
    key_set = {"keys": [key.public_jwk for key in keys]}
    documents = {
        "tokens.json": lines({"settings": SETTINGS, "jwks": key_set}, tokens),
        "jwks.json": lines({}, key_set_cases(keys)),
        "feed.json": lines({}, feed_cases()),
    }
    stale = [
        name for name, text in documents.items() if not (HERE / name).exists() or (HERE / name).read_text() != text
    ]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"{name} is not what generate.py writes")
        return 1 if stale else 0
    for name in stale:
        (HERE / name).write_text(documents[name])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
