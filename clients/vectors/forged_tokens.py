"""Tokens that somebody without a key of the issuer makes up: algorithms and header tricks."""

from collections.abc import Iterator
from typing import Any

from signing import compact, decode, encode, sign_hmac
from token_case import Case, TokenCases, case, claims


class ForgedTokens(TokenCases):
    """J1 and J4."""

    def all(self) -> Iterator[Case]:
        yield from self.j1_algorithms()
        yield from self.j1_public_key_as_secret()
        yield from self.j1_signatures()
        yield from self.j4_key_ids()
        yield from self.j4_headers()

    def j1_algorithms(self) -> Iterator[Case]:
        for name in ("none", "None", "NONE", "nOnE"):
            header = compact(self.edwards.header(alg=name))
            message = f"{encode(header)}.{encode(compact(claims()))}"
            yield case(f"j1: alg {name}, no signature", f"{message}.", "bad_signature")
            yield case(f"j1: alg {name}, two parts", message, "malformed")
            yield case(f"j1: alg {name}, right signature", f"{message}.{self.edwards.sign(message)}", "bad_signature")
        others = (
            "Ed25519",
            "eddsa",
            "ES256",
            "ES384",
            "ES512",
            "ES256K",
            "RS256",
            "RS512",
            "PS256",
            "HS256",
            "unknown",
        )
        for key in self.keys:
            for name in others:
                if name != key.algorithm:
                    token = key.token(claims(), key.header(alg=name))
                    yield case(f"j1: {key.algorithm} key, header says {name}", token, "bad_signature")
        for value in (None, 7, ["EdDSA"], {"alg": "EdDSA"}, ""):
            token = self.edwards.token(claims(), self.edwards.header(alg=value))
            yield case(f"j1: alg is {compact(value)}", token, "malformed")
        missing = {"typ": "at+jwt", "kid": self.edwards.kid}
        yield case("j1: alg is missing", self.edwards.token(claims(), missing), "malformed")

    def j1_public_key_as_secret(self) -> Iterator[Case]:
        for key in self.keys:
            secrets = {
                "PEM": key.public_pem.rstrip(b"\n"),
                "PEM with newline": key.public_pem,
                "DER": key.public_der,
                "JWK": compact(key.public_jwk).encode(),
                "x or n": (key.public_jwk.get("x") or key.public_jwk["n"]).encode(),
                "raw x or n": decode(key.public_jwk.get("x") or key.public_jwk["n"]),
                "nothing": b"",
            }
            for form, secret in secrets.items():
                message = key.message(claims(), key.header(alg="HS256"))
                yield case(
                    f"j1: HS256 with the {key.algorithm} key as {form}",
                    f"{message}.{sign_hmac(message, secret, 'HS256')}",
                    "bad_signature",
                )
            for algorithm in ("HS384", "HS512"):
                message = key.message(claims(), key.header(alg=algorithm))
                yield case(
                    f"j1: {algorithm} with the {key.algorithm} key as PEM",
                    f"{message}.{sign_hmac(message, key.public_pem, algorithm)}",
                    "bad_signature",
                )
            message = key.message(claims())
            yield case(
                f"j1: HMAC with the {key.algorithm} key as PEM under the key's own alg",
                f"{message}.{sign_hmac(message, key.public_pem, 'HS256')}",
                "bad_signature",
            )

    def j1_signatures(self) -> Iterator[Case]:
        for name in ("PS256", "RS256"):
            message = self.rsa.message(claims(), self.rsa.header(alg=name))
            yield case(
                f"j1: PSS signature, header says {name}", f"{message}.{self.rsa.sign_pss(message)}", "bad_signature"
            )
        for key in self.keys:
            for other in self.keys:
                if other is not key:
                    token = key.token(claims(), other.header())
                    yield case(f"j1: signed by {key.kid}, names {other.kid}", token, "bad_signature")
        for stranger in self.strangers:
            yield case(f"j1: a stranger's {stranger.algorithm} key", stranger.token(claims()), "bad_signature")
        message = self.elliptic.message(claims())
        right = self.elliptic.sign_raw(message.encode())
        der = b"\x30\x44\x02\x20" + right[:32] + b"\x02\x20" + right[32:]
        wrong = {
            "zeros": bytes(64),
            "ones": b"\xff" * 64,
            "63 zeros": bytes(63),
            "DER": der,
            "r alone": right[:32],
            "one byte more": right + b"\x00",
            "s zero": right[:32] + bytes(32),
        }
        for form, signature in wrong.items():
            yield case(f"j1: ES256 signature: {form}", f"{message}.{encode(signature)}", "bad_signature")
        for key in self.keys:
            yield case(f"j1: {key.algorithm} signature is empty", f"{key.message(claims())}.", "bad_signature")
            head, _, right_one = key.token(claims()).split(".")
            swapped = encode(compact(claims(roles=["admin"])))
            yield case(
                f"j1: {key.algorithm}, other claims under the signature",
                f"{head}.{swapped}.{right_one}",
                "bad_signature",
            )

    def j4_key_ids(self) -> Iterator[Case]:
        for kid in (
            "../../x",
            "/dev/null",
            "file:///etc/passwd",
            "' OR 1",
            "' OR 1=1 --",
            "\0",
            "ed-1\0",
            " ed-1",
            "ED-1",
            "ed-1/../ec-1",
            "http://127.0.0.1/key",
            "%65d-1",
            "__proto__",
            "constructor",
            "toString",
        ):
            token = self.edwards.token(claims(), self.edwards.header(kid=kid))
            yield case(f"j4: kid {compact(kid)}", token, "unknown_key")
        yield case("j4: kid of 10 kB", self.edwards.token(claims(), self.edwards.header(kid="k" * 10_000)), "malformed")
        for value in (1, None, True, ["ed-1"], {"ed-1": 1}, ""):
            token = self.edwards.token(claims(), self.edwards.header(kid=value))
            yield case(f"j4: kid is {compact(value)}", token, "malformed")
        missing = {"typ": "at+jwt", "alg": "EdDSA"}
        yield case("j4: kid is missing", self.edwards.token(claims(), missing), "malformed")

    def j4_headers(self) -> Iterator[Case]:
        for name, value in (
            ("crit", ["exp"]),
            ("crit", ["x-unknown"]),
            ("crit", []),
            ("crit", None),
            ("crit", ["b64"]),
            ("b64", False),
            ("b64", True),
            ("zip", "DEF"),
            ("enc", "A256GCM"),
        ):
            token = self.edwards.token(claims(), self.edwards.header(**{name: value}))
            yield case(f"j4: {name} is {compact(value)}", token, "malformed")
        header = compact(self.edwards.header(b64=False, crit=["b64"]))
        message = f"{encode(header)}.{compact(claims(iss='x', aud='y'))}"
        yield case("j4: b64 false with the bare payload", f"{message}.{self.edwards.sign(message)}", "malformed")
        stranger = self.strangers[0]
        brought: dict[str, Any] = {
            "jwk": stranger.public_jwk,
            "jku": "http://127.0.0.1:1/jwks.json",
            "x5u": "http://127.0.0.1:1/chain.pem",
            "x5c": [encode(stranger.public_der)],
            "x5t": "AAAA",
        }
        for name, value in brought.items():
            token = stranger.token(claims(), stranger.header(**{name: value}))
            yield case(f"j4: a stranger brings a key along as {name}", token, "bad_signature")
            token = stranger.token(claims(), stranger.header(**{name: value, "kid": "stranger"}))
            yield case(f"j4: a stranger brings an unknown key along as {name}", token, "unknown_key")
            token = self.edwards.token(claims(), self.edwards.header(**{name: value}))
            yield case(f"j4: {name} beside a right signature is ignored", token, "ok", claims=claims())
