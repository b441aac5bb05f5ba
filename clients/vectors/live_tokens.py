"""Good tokens that were revoked, that do not grant what a request needs, or that come while too little is known."""

from collections.abc import Iterator, Mapping
from typing import Any

from token_case import NOW, Case, TokenCases, case, claims, claims_without


class LiveTokens(TokenCases):
    """Revocations, roles and scopes, and what a verifier knows of them."""

    def all(self) -> Iterator[Case]:
        yield from self.revocations()
        yield from self.requirements()
        yield from self.readiness()
        yield from self.staleness()

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
        stranger = self.strangers[0].token(claims(), self.edwards.header())
        yield revoked("the key, whoever signed", "unknown_key", ended_keys=("ed-1",), text=stranger)
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

    def readiness(self) -> Iterator[Case]:
        token = self.edwards.token(claims())

        def starting(name: str, expect: str, text: str = token, **more: Any) -> Case:
            followed = {"keys": True, "heard": None, "refuse_after": None} | more
            return case(f"starting: {name}", text, expect, followed=followed)

        yield starting("neither keys nor feed", "not_ready", keys=False)
        yield starting("the feed without keys", "not_ready", keys=False, heard=0)
        yield starting("keys without the feed", "not_ready")
        yield starting("keys without the feed, and a policy", "not_ready", refuse_after=30)
        yield starting("keys and the feed", "ok", heard=0)
        yield starting("without keys, a malformed token is malformed", "malformed", "x.y.z", keys=False)
        other = self.edwards.token(claims(), self.edwards.header(typ="JWT"))
        yield starting("without keys, a token for something else", "wrong_type", other, keys=False)
        yield starting("without keys, nobody knows that it has expired", "not_ready", self.expired(), keys=False)
        yield starting("without the feed, an expired token has expired", "expired", self.expired())
        yield starting("without the feed, a forged token is forged", "bad_signature", token[:-8] + "AAAAAAAA")
        stranger = self.edwards.token(claims(), self.edwards.header(kid="ed-9"))
        yield starting("without the feed, an unknown key is unknown", "unknown_key", stranger)

    def staleness(self) -> Iterator[Case]:
        token = self.edwards.token(claims())

        def following(name: str, expect: str, heard: int, limit: int | None, text: str = token, **more: Any) -> Case:
            followed = {"keys": True, "heard": heard, "refuse_after": limit}
            return case(f"stale: {name}", text, expect, followed=followed, **more)

        yield following("without a policy checks go on", "ok", 100_000, None)
        yield following("at the limit", "ok", 30, 30)
        yield following("past the limit", "stale", 31, 30)
        yield following("an expired token has expired", "expired", 31, 30, self.expired())
        revoked = {"subjects": [{"subject": "ann", "epoch": 4}], "sessions": [], "keys": []}
        yield following("a revoked token is revoked", "revoked", 31, 30, revoked=revoked)
        require = {"roles": ["admin"], "scopes": []}
        yield following("nobody knows whether a token that lacks a role is good", "stale", 31, 30, require=require)

    def expired(self) -> str:
        return self.edwards.token(claims(exp=NOW - 60))
