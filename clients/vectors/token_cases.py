"""The cases of tokens.json: what a verifier has to say about a token, and why."""

from collections.abc import Iterator, Mapping
from typing import Any

from signing import SigningKey, compact, decode, encode, sign_hmac

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
    """All cases, one method for each subject."""

    def __init__(self, keys: list[SigningKey], strangers: list[SigningKey]) -> None:
        self.keys = keys
        self.edwards, self.elliptic, self.rsa = keys
        self.strangers = strangers

    def all(self) -> list[Case]:
        subjects = [
            self.good(),
            self.j1_algorithms(),
            self.j1_public_key_as_secret(),
            self.j1_signatures(),
            self.j2_times(),
            self.j2_missing_and_empty(),
            self.j2_to_the_second(),
            self.j3_types(),
            self.j3_issuers(),
            self.j3_audiences(),
            self.j4_key_ids(),
            self.j4_headers(),
            self.j8_sizes(),
            self.j8_json(),
            self.j8_base64(),
            self.revocations(),
            self.requirements(),
        ]
        return [one for subject in subjects for one in subject]

    def good(self) -> Iterator[Case]:
        for key in self.keys:
            yield case(f"good: {key.algorithm}", key.token(claims()), "ok", claims=claims())
        least = {name: value for name, value in claims().items() if name not in ("amr", "roles", "scope")}
        granted = least | {"amr": [], "roles": [], "scope": ""}
        yield case(
            "good: amr, roles and scope may be missing and grant nothing",
            self.edwards.token(least),
            "ok",
            claims=granted,
        )
        more = claims(cnf={"jkt": "x"}, name="ann", deep=[[{"a": [None, True, 1.5]}]])
        yield case("good: unknown claims are ignored", self.edwards.token(more), "ok", claims=claims())
        spaced = ' {\n\t"typ" : "at+jwt" , "alg":"EdDSA",\r\n"kid":"ed-1"} '
        yield case(
            "good: white space and escapes in JSON",
            self.edwards.token(claims(sub='ä\U0001f600\u0000"\\/'), spaced),
            "ok",
            claims=claims(sub='ä\U0001f600\u0000"\\/'),
        )

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

    def j2_times(self) -> Iterator[Case]:
        later = NOW + 900
        values = [
            str(later),
            "",
            f"{later}abc",
            True,
            False,
            [later],
            {"seconds": later},
            None,
            -1,
            -(2**63),
            later + 0.5,
            1e308,
            2**63,
            2**64 - 1,
            2**64,
            10**30,
        ]
        for name in ("exp", "nbf", "iat", "auth_time", "epoch"):
            for value in values:
                yield case(f"j2: {name} is {compact(value)}", self.edwards.token(claims(**{name: value})), "malformed")
            for text in ("1800000900.0", "1e400", "-1e400", "18e8", "-0", "0x10", "NaN", "Infinity", "01", "+1", "1."):
                written = compact(claims(**{name: "here"})).replace('"here"', text)
                yield case(f"j2: {name} is written {text}", self.edwards.token(written), "malformed")
        for name in ("exp", "iat"):
            yield case(
                f"j2: {name} is 2^63-1",
                self.edwards.token(claims(**{name: 2**63 - 1})),
                "ok" if name == "exp" else "not_yet_valid",
            )
        yield case("j2: nbf is 2^63-1", self.edwards.token(claims(nbf=2**63 - 1)), "not_yet_valid")
        yield case("j2: exp is 0", self.edwards.token(claims(exp=0)), "expired")

    def j2_missing_and_empty(self) -> Iterator[Case]:
        for name in ("iss", "sub", "aud", "sid", "epoch", "client_id", "iat", "exp", "jti", "auth_time"):
            yield case(f"j2: {name} is missing", self.edwards.token(claims_without(name)), "missing_claim")
        yield case("j2: no claims at all", self.edwards.token("{}"), "missing_claim")
        for name in ("iss", "sub", "sid", "client_id", "jti"):
            for value in ("", 7, None, ["ann"], True):
                yield case(f"j2: {name} is {compact(value)}", self.edwards.token(claims(**{name: value})), "malformed")
        wrong: list[tuple[str, Any]] = [
            ("roles", "admin"),
            ("roles", ["user", 7]),
            ("roles", None),
            ("roles", {}),
            ("amr", {"pwd": True}),
            ("amr", "pwd"),
            ("scope", ["openid"]),
            ("scope", None),
        ]
        for name, value in wrong:
            yield case(f"j2: {name} is {compact(value)}", self.edwards.token(claims(**{name: value})), "malformed")

    def j2_to_the_second(self) -> Iterator[Case]:
        token = self.edwards.token(claims())
        end = NOW + 900
        for now, expect in (
            (end - 1, "ok"),
            (end, "ok"),
            (end + 59, "ok"),
            (end + 60, "expired"),
            (end + 61, "expired"),
            (2**53 - 1, "expired"),
            (NOW - 60, "ok"),
            (NOW - 61, "not_yet_valid"),
            (0, "not_yet_valid"),
        ):
            yield case(f"j2: checked {now - NOW:+d} s after it was made, with a life of 900 s", token, expect, now)
        for name in ("iat", "nbf"):
            for ahead, expect in ((59, "ok"), (60, "ok"), (61, "not_yet_valid")):
                yield case(
                    f"j2: {name} lies {ahead} s ahead", self.edwards.token(claims(**{name: NOW + ahead})), expect
                )
        yield case(
            "j2: nbf before iat does not loosen iat", self.edwards.token(claims(iat=NOW + 61, nbf=0)), "not_yet_valid"
        )

    def j3_types(self) -> Iterator[Case]:
        for kind in ("at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"):
            yield case(f"j3: typ {kind}", self.edwards.token(claims(), self.edwards.header(typ=kind)), "ok")
        for kind in (
            "JWT",
            "jwt",
            "logout+jwt",
            "secevent+jwt",
            "dpop+jwt",
            "statuslist+jwt",
            "id+jwt",
            "refresh+jwt",
            "client-authentication+jwt",
            "reset+jwt",
            "oauth-authz-req+jwt",
            "",
            " at+jwt",
            "at+jwt ",
            "at+jwt;q=1",
            "text/at+jwt",
            "application/application/at+jwt",
            "application/",
            "at",
            "at+jwt\0",
            "at+jw\u212a",
            None,
            7,
            ["at+jwt"],
        ):
            yield case(
                f"j3: typ {compact(kind)}", self.edwards.token(claims(), self.edwards.header(typ=kind)), "wrong_type"
            )
        header = {"alg": "EdDSA", "kid": self.edwards.kid}
        yield case("j3: typ is missing", self.edwards.token(claims(), header), "wrong_type")
        yield case("j3: typ is in the claims only", self.edwards.token(claims(typ="at+jwt"), header), "wrong_type")

    def j3_issuers(self) -> Iterator[Case]:
        for issuer in (
            f"{ISSUER}/",
            "https://ID.example",
            "HTTPS://id.example",
            "http://id.example",
            f"{ISSUER}:443",
            f"{ISSUER}.evil.example",
            "https://id.exampl",
            "id.example",
            f" {ISSUER}",
            f"{ISSUER}\0",
            f"{ISSUER}#a",
            f"{ISSUER}?",
            AUDIENCE,
        ):
            yield case(f"j3: iss {compact(issuer)}", self.edwards.token(claims(iss=issuer)), "wrong_issuer")
        for issuer in ([ISSUER], {"iss": ISSUER}):
            yield case(f"j3: iss {compact(issuer)}", self.edwards.token(claims(iss=issuer)), "malformed")

    def j3_audiences(self) -> Iterator[Case]:
        yield case("j3: aud is a list of ours alone", self.edwards.token(claims(aud=[AUDIENCE])), "ok", claims=claims())
        other = "https://other.example"
        for audience in (
            other,
            f"{AUDIENCE}/",
            "https://API.example",
            "https://api.exampl",
            f"{AUDIENCE} {other}",
            "",
            ISSUER,
            [],
            [other],
            [AUDIENCE, other],
            [other, AUDIENCE],
            [AUDIENCE, AUDIENCE],
            [AUDIENCE, 7],
        ):
            yield case(f"j3: aud {compact(audience)}", self.edwards.token(claims(aud=audience)), "wrong_audience")
        for audience in ([[AUDIENCE]], [7], {"aud": AUDIENCE}, 7, None, True):
            yield case(f"j3: aud {compact(audience)}", self.edwards.token(claims(aud=audience)), "malformed")

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

    def j8_sizes(self) -> Iterator[Case]:
        def padded(length: int) -> str:
            return self.edwards.token(claims(pad="a" * length))

        fitting = next(length for length in range(6100, 0, -1) if len(padded(length)) <= 8192)
        yield case("j8: as long as a token may be", padded(fitting), "ok", claims=claims())
        yield case("j8: longer than 8 KiB", padded(fitting + 2), "malformed")
        many = {f"c{index}": 0 for index in range(10_000)}
        yield case("j8: 10 000 claims", self.edwards.token(claims() | many), "malformed")
        some = {f"c{index}": 0 for index in range(600)}
        yield case("j8: 600 unknown claims", self.edwards.token(claims() | some), "ok", claims=claims())
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            for depth, expect in ((100, "ok"), (200, "malformed"), (900, "malformed")):
                nested = f'"deep":{opening * depth}0{closing * depth}'
                yield case(f"j8: depth {depth} of {opening}", self.edwards.token(claims_and(nested)), expect)
            yield case(
                f"j8: depth 200 of {opening} in the header",
                self.edwards.token(
                    claims(), f'{{"typ":"at+jwt","alg":"EdDSA","kid":"ed-1","a":{opening * 200}0{closing * 200}}}'
                ),
                "malformed",
            )
        brackets = claims(name="[" * 500 + "{" * 500 + '\\"' * 10)
        yield case("j8: brackets in a text are no depth", self.edwards.token(brackets), "ok", claims=claims())

    def j8_json(self) -> Iterator[Case]:
        for more in (
            '"exp":9999999999',
            '"sub":"ann"',
            '"\\u0073ub":"admin"',
            '"x":1,"x":1',
            '"x":{"a":1,"a":2}',
            '"x":[{"a":[{"b":1,"b":1}]}]',
            '"__proto__":1,"__proto__":1',
            '"x":{"":1,"":1}',
        ):
            yield case(f"j8: repeated claim: {more}", self.edwards.token(claims_and(more)), "malformed")
        yield case(
            "j8: a claim __proto__ is like any other",
            self.edwards.token(claims_and('"__proto__":{"sub":"bob"}')),
            "ok",
            claims=claims(),
        )
        for more in ('"alg":"none"', '"kid":"ec-1"', '"\\u0061lg":"EdDSA"', '"typ":"at+jwt"', '"a":1,"a":1'):
            header = f'{{"typ":"at+jwt","alg":"EdDSA","kid":"ed-1",{more}}}'
            yield case(f"j8: repeated header member: {more}", self.edwards.token(claims(), header), "malformed")
        for text in (
            "",
            "null",
            "[]",
            "7",
            '"text"',
            "{",
            "{}x",
            "{} {}",
            "\ufeff{}",
            '{"a":}',
            "{'a':1}",
            '{"a":1,}',
            "{a:1}",
            '{"a":1 "b":2}',
            '{"a":"\n"}',
            '{"a":"\\x"}',
            '{"a":tru}',
            '{"a":"\\ud800"}',
            '{"\\udc00":1}',
            '{"a":"\\ud800\\u0041"}',
            '{"a":1e999}',
            '{"a":/**/1}',
            "\u00a0{}",
            '{"a":01}',
            '{"a":.5}',
            '{"a":-}',
        ):
            yield case(f"j8: claims {compact(text)}", self.edwards.token(text), "malformed")
            yield case(f"j8: header {compact(text)}", self.edwards.token(claims(), text), "malformed")
        yield case("j8: claims are not UTF-8", self.edwards.token(b'{"sub":"\xff\xfe"}'), "malformed")
        yield case("j8: claims hold an overlong UTF-8 form", self.edwards.token(b'{"sub":"\xc0\xaf"}'), "malformed")
        yield case("j8: claims hold a surrogate in UTF-8", self.edwards.token(b'{"sub":"\xed\xa0\x80"}'), "malformed")

    def j8_base64(self) -> Iterator[Case]:
        token = self.edwards.token(claims(jti="t"))
        parts = token.split(".")
        for index, part in enumerate(("header", "payload", "signature")):
            for form, text in (
                ("one padding sign", f"{parts[index]}="),
                ("two padding signs", f"{parts[index]}=="),
                ("a space before it", f" {parts[index]}"),
                ("a newline after it", f"{parts[index]}\n"),
                ("NUL after it", f"{parts[index]}\0"),
                ("the other alphabet", f"{parts[index]}+/"),
                ("a variation selector before it", f"\ufe0f{parts[index]}"),
            ):
                changed = [*parts[:index], text, *parts[index + 1 :]]
                yield case(f"j8: {part} with {form}", ".".join(changed), "bad_signature" if index == 1 else "malformed")
        for header, payload in (("e30", "e31"), ("e30=", "e30"), ("e31", "e30")):
            message = f"{header}.{payload}"
            yield case(
                f"j8: signed but not as a token: {message}",
                f"{message}.{self.edwards.sign(message)}",
                "malformed" if header != "e30" else "wrong_type",
            )
        head = encode(compact(self.edwards.header()))
        for form, body in (
            ("padding", f"{encode('{} ')}="),
            ("stray last bits", "e31"),
            ("white space", "e30\n"),
            ("the other alphabet", "+/+/"),
        ):
            message = f"{head}.{body}"
            yield case(f"j8: signed payload with {form}", f"{message}.{self.edwards.sign(message)}", "malformed")
        # 64 bytes leave four bits over: a lenient reader takes sixteen texts for one signature.
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        for stray in range(1, 16):
            last = alphabet[alphabet.index(token[-1]) + stray]
            yield case(f"j8: signature with stray last bits {stray:04b}", f"{token[:-1]}{last}", "malformed")
        for form, text in (
            ("nothing", ""),
            ("one dot", "."),
            ("two dots", ".."),
            ("three dots", "..."),
            ("five parts", "a.b.c.d.e"),
            ("a dot after it", f"{token}."),
            ("a dot before it", f".{token}"),
            ("Bearer before it", f"Bearer {token}"),
            ("no signature part", f"{parts[0]}.{parts[1]}"),
            ("two signatures", f"{token}.{parts[2]}"),
            ("a space around it", f" {token} "),
        ):
            yield case(f"j8: shape: {form}", text, "malformed")
        yield case("j8: shape: empty payload", f"{parts[0]}..{parts[2]}", "bad_signature")

    def revocations(self) -> Iterator[Case]:
        token = self.edwards.token(claims())

        def revoked(
            name: str,
            expect: str,
            epochs: Mapping[str, int] | None = None,
            sessions: tuple[str, ...] = (),
            ended_keys: tuple[str, ...] = (),
            text: str = token,
        ) -> Case:
            subjects = [{"subject": subject, "epoch": epoch} for subject, epoch in (epochs or {}).items()]
            entries = {"subjects": subjects, "sessions": list(sessions), "keys": list(ended_keys)}
            return case(f"revoked: {name}", text, expect, revoked=entries)

        yield revoked("a higher epoch ends the token", "revoked", {"ann": 4})
        yield revoked("a much higher epoch ends the token", "revoked", {"ann": 2**53 - 1})
        yield revoked("the token's own epoch is the lowest good one", "ok", {"ann": 3})
        yield revoked("a lower epoch ends nothing", "ok", {"ann": 2})
        yield revoked("another user's epoch", "ok", {"bob": 4, "Ann": 4, "ann ": 4})
        yield revoked("epoch 0 of the token", "revoked", {"ann": 1}, text=self.edwards.token(claims(epoch=0)))
        yield revoked("epoch 2^63-1 of the token", "ok", {"ann": 4}, text=self.edwards.token(claims(epoch=2**63 - 1)))
        yield revoked("the session", "revoked", sessions=("session-1",))
        yield revoked("another session", "ok", sessions=("session-2", "SESSION-1", "ann"))
        yield revoked("the session, although the epoch is newer", "revoked", {"ann": 1}, ("session-1",))
        yield revoked("a session with the subject's name", "ok", sessions=("ann",))
        yield revoked("a subject with the session's name", "ok", {"session-1": 99})
        yield revoked("the key", "unknown_key", ended_keys=("ed-1",))
        yield revoked("another key", "ok", ended_keys=("ec-1", "ED-1"))
        yield revoked("the key of one, the token of another", "ok", ended_keys=("ed-1",), text=self.rsa.token(claims()))
        yield revoked(
            "a subject __proto__ is like any other",
            "revoked",
            {"__proto__": 4},
            text=self.edwards.token(claims(sub="__proto__")),
        )
        yield revoked(
            "nothing for a subject constructor",
            "ok",
            {"ann": 4},
            text=self.edwards.token(claims(sub="constructor", sid="toString")),
        )
        yield revoked(
            "expired comes before revoked", "expired", {"ann": 4}, text=self.edwards.token(claims(exp=NOW - 60))
        )

    def requirements(self) -> Iterator[Case]:
        token = self.edwards.token(claims())

        def required(
            name: str, expect: str, roles: tuple[str, ...] = (), scopes: tuple[str, ...] = (), text: str = token
        ) -> Case:
            return case(f"required: {name}", text, expect, require={"roles": list(roles), "scopes": list(scopes)})

        yield required("nothing", "ok")
        yield required("a role", "ok", ("editor",))
        yield required("any of two roles", "ok", ("admin", "editor"))
        yield required("a role that is lacking", "forbidden", ("admin",))
        yield required("roles are whole words", "forbidden", ("edit", "Editor", "editor "))
        yield required("a scope", "ok", scopes=("profile",))
        yield required("all of two scopes", "ok", scopes=("profile", "openid"))
        yield required("one of two scopes is lacking", "forbidden", scopes=("profile", "mail"))
        yield required("scopes are whole words", "forbidden", scopes=("prof",))
        yield required("a role is no scope", "forbidden", scopes=("editor",))
        yield required("a scope is no role", "forbidden", ("openid",))
        yield required("role and scope", "ok", ("user",), ("openid",))
        yield required("role without scope", "forbidden", ("user",), ("mail",))
        yield required(
            "roles of a token without roles", "forbidden", ("user",), text=self.edwards.token(claims_without("roles"))
        )
        yield required(
            "scopes of a token without scope",
            "forbidden",
            scopes=("openid",),
            text=self.edwards.token(claims_without("scope")),
        )
        tabs = self.edwards.token(claims(scope="openid\tprofile"))
        yield required("only spaces part scopes", "forbidden", scopes=("openid",), text=tabs)
        spaces = self.edwards.token(claims(scope="  openid   profile "))
        yield required("several spaces part scopes", "ok", scopes=("openid", "profile"), text=spaces)
        yield required(
            "a bad token is bad before it lacks something",
            "expired",
            ("admin",),
            text=self.edwards.token(claims(exp=0)),
        )
