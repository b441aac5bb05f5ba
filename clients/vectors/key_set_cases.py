"""The cases of jwks.json: which documents a verifier takes as the issuer's keys."""

import json
from typing import Any

from signing import SigningKey, encode

LONGEST = 64 * 1024


def key_set_cases(keys: list[SigningKey]) -> list[dict[str, Any]]:
    edwards, elliptic, rsa = (key.public_jwk for key in keys)
    ours = [key.public_jwk for key in keys]
    cases: list[dict[str, Any]] = []

    def text(name: str, document: str, expect: str, usable: list[str] | None = None) -> None:
        found = {"keys": usable} if usable is not None else {}
        cases.append({"name": name, "document": document, "expect": expect, **found})

    def key_set(name: str, members: list[Any], expect: str, usable: list[str] | None = None) -> None:
        text(name, json.dumps({"keys": members}), expect, usable)

    def without(jwk: dict[str, str], name: str) -> dict[str, str]:
        return {key: value for key, value in jwk.items() if key != name}

    every = ["ed-1", "ec-1", "rsa-1"]
    key_set("good: the three algorithms", ours, "ok", every)
    for jwk in ours:
        key_set(f"good: {jwk['alg']} alone", [jwk], "ok", [jwk["kid"]])
    key_set("good: unknown members of a key", [edwards | {"x5t": "AAAA", "nbf": 1.5, "note": None}], "ok", ["ed-1"])
    text("good: unknown members of the set", json.dumps({"next": [1], "keys": [edwards]}), "ok", ["ed-1"])
    key_set("good: without use", [without(edwards, "use")], "ok", ["ed-1"])
    key_set("good: key_ops verify", [edwards | {"key_ops": ["verify"]}], "ok", ["ed-1"])
    key_set("good: the newer name of EdDSA", [edwards | {"alg": "Ed25519"}], "ok", ["ed-1"])
    good = json.dumps({"keys": [edwards]})
    text("good: exactly 64 KiB", good + " " * (LONGEST - len(good)), "ok", ["ed-1"])

    text("longer than 64 KiB", good + " " * (LONGEST - len(good) + 1), "too_long")
    text("nothing", "", "malformed")
    text("HTML", "<!doctype html><title>502 Bad Gateway</title>", "malformed")
    for document in (
        "null",
        "[]",
        "{}",
        "7",
        '"keys"',
        '{"keys":{}}',
        '{"keys":null}',
        '{"keys":[7]}',
        '{"keys":[null]}',
        '{"keys":["ed-1"]}',
        '{"error":"not found"}',
    ):
        text(f"not a key set: {document}", document, "malformed")
    text("half of a key set", good[: len(good) // 2], "malformed")
    text("more behind the key set", good + good, "malformed")
    text("a byte order mark", "\ufeff" + good, "malformed")
    one = json.dumps(edwards)
    text("the member keys twice", f'{{"keys":[{one}],"keys":[{one}]}}', "malformed")
    text("a member of a key twice", f'{{"keys":[{one[:-1]},"kid":"ed-1"}}]}}', "malformed")
    text("too deep", f'{{"a":{"[" * 200}{"]" * 200},"keys":[{one}]}}', "malformed")
    key_set("an empty set", [], "empty")

    for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k"):
        key_set(f"a private member: {name}", [elliptic, rsa | {name: "AQAB"}], "private_key")
    secret = {"kty": "oct", "alg": "HS256", "kid": "secret", "k": "c2VjcmV0"}
    key_set("a shared secret beside a good key", [edwards, secret], "private_key")
    encryption = {"kty": "OKP", "crv": "X25519", "use": "enc", "kid": "x", "d": "AQAB"}
    key_set("a private member of a key for encryption", [edwards, encryption], "private_key")
    key_set("a private member that is null", [edwards | {"d": None}], "private_key")

    key_set("one key twice", [edwards, edwards], "repeated_id")
    key_set("two keys with one kid", [edwards, elliptic | {"kid": "ed-1"}], "repeated_id")
    for jwk in ours:
        for name in ("kid", "alg", "kty"):
            key_set(f"{jwk['alg']} key without {name}", [without(jwk, name)], "malformed")
            key_set(f"{jwk['alg']} key, {name} is a number", [jwk | {name: 7}], "malformed")
            key_set(f"{jwk['alg']} key, {name} is empty", [jwk | {name: ""}], "malformed")
    key_set("use is a list", [edwards | {"use": ["sig"]}], "malformed")
    key_set("key_ops is a text", [edwards | {"key_ops": "verify"}], "malformed")
    key_set("one bad key spoils the set", [edwards, without(elliptic, "kid")], "malformed")

    invalid = {
        "EdDSA key says ES256": edwards | {"alg": "ES256"},
        "EdDSA key says RS256": edwards | {"alg": "RS256"},
        "EdDSA key of another curve": edwards | {"crv": "Ed448"},
        "EdDSA key of X25519": edwards | {"crv": "X25519"},
        "EdDSA key of 31 bytes": edwards | {"x": encode(bytes([7] * 31))},
        "EdDSA key as DER": edwards | {"x": encode(keys[0].public_der)},
        "ES256 key says EdDSA": elliptic | {"alg": "EdDSA"},
        "ES256 key of another curve": elliptic | {"crv": "P-384"},
        "ES256 key beside the curve": elliptic | {"x": encode(bytes([7] * 32))},
        "ES256 key with y of 33 bytes": elliptic | {"y": encode(bytes(33))},
        "RS256 key says ES256": rsa | {"alg": "ES256"},
        "RS256 key of 1024 bits": rsa | {"n": encode(b"\xff" * 128)},
        "RS256 key of zeros": rsa | {"n": encode(bytes(256))},
        "RS256 key with exponent 1": rsa | {"e": encode(b"\x01")},
        "RS256 key with exponent 0": rsa | {"e": encode(b"\x00")},
        "RS256 key with exponent 3": rsa | {"e": encode(b"\x03")},
        "RS256 key with a long exponent 1": rsa | {"e": encode(b"\x00\x00\x01")},
        "RS256 key with an even exponent": rsa | {"e": encode(b"\x01\x00\x00")},
    }
    for name, jwk in invalid.items():
        key_set(name, [jwk], "invalid_key")
        key_set(f"{name}, beside good keys", [*ours, jwk | {"kid": "other"}], "invalid_key")
    key_set("EdDSA key without x", [without(edwards, "x")], "malformed")
    key_set("RS256 key with padding", [rsa | {"e": "AQAB="}], "malformed")
    key_set("ES256 key with a number", [elliptic | {"x": 7}], "malformed")
    key_set(
        "EdDSA key with stray last bits", [edwards | {"x": edwards["x"][:-1] + _stray(edwards["x"][-1])}], "malformed"
    )

    others: list[dict[str, Any]] = [
        elliptic | {"use": "enc"},
        rsa | {"alg": "RSA-OAEP-256"},
        rsa | {"kid": "pss", "alg": "PS256"},
        edwards | {"kid": "signs", "key_ops": ["sign"]},
        {"kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AAAA"},
        {"kty": "EC", "crv": "P-521", "alg": "ES512", "kid": "big", "x": "AAAA", "y": "AAAA"},
    ]
    key_set("keys for other purposes alone", others, "empty")
    key_set("keys for other purposes beside ours", [*others, edwards], "ok", ["ed-1"])
    return cases


def _stray(last: str) -> str:
    """The next sign of the alphabet: 32 bytes leave the lowest two bits of the last sign over."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(last) + 1]
