"""Signs the test tokens, the right ones and the wrong ones, so that every run gives the same bytes."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi")

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def encode(data: bytes | str) -> str:
    """Base64url without padding."""
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text: str) -> int:
    return int.from_bytes(decode(text))


def compact(value: Any) -> str:
    """JSON as short as it gets, with the members in the order in which they were written."""
    return json.dumps(value, separators=(",", ":"))


class SigningKey:
    """A private key of the test issuer, or of a stranger who claims the same `kid`."""

    def __init__(self, jwk: Mapping[str, str]) -> None:
        self.kid = jwk["kid"]
        self.algorithm = jwk["alg"]
        self.public_jwk = {name: value for name, value in jwk.items() if name not in PRIVATE_MEMBERS}
        self.private = _private_key(jwk)
        public = self.private.public_key()
        self.public_der = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public_pem = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def header(self, **changes: Any) -> dict[str, Any]:
        return {"typ": "at+jwt", "alg": self.algorithm, "kid": self.kid} | changes

    def sign(self, message: str) -> str:
        return encode(self.sign_raw(message.encode()))

    def sign_raw(self, message: bytes) -> bytes:
        match self.private:
            case ed25519.Ed25519PrivateKey():
                return self.private.sign(message)
            case ec.EllipticCurvePrivateKey():
                # RFC 6979 takes the chance out of ECDSA.
                der = self.private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
                r, s = decode_dss_signature(der)
                return r.to_bytes(32) + s.to_bytes(32)
            case rsa.RSAPrivateKey():
                return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def sign_pss(self, message: str) -> str:
        """PS256 with a salt that is always the same (RFC 8017 §9.1.1)."""
        assert isinstance(self.private, rsa.RSAPrivateKey)
        numbers = self.private.private_numbers()
        salt = bytes(range(32))
        digest = hashlib.sha256(bytes(8) + hashlib.sha256(message.encode()).digest() + salt).digest()
        block = bytes(256 - 32 - 32 - 2) + b"\x01" + salt
        block = block[-(256 - 32 - 1) :]
        masked = bytearray(a ^ b for a, b in zip(block, _mask(digest, len(block)), strict=True))
        masked[0] &= 0x7F
        encoded = bytes(masked) + digest + b"\xbc"
        modulus = numbers.public_numbers.n
        return encode(pow(int.from_bytes(encoded), numbers.d, modulus).to_bytes(256))

    def token(self, claims: Mapping[str, Any] | str | bytes, header: Mapping[str, Any] | str | None = None) -> str:
        """A token with these claims. Text and bytes are signed as they are, JSON or not."""
        message = self.message(claims, header)
        return f"{message}.{self.sign(message)}"

    def message(self, claims: Mapping[str, Any] | str | bytes, header: Mapping[str, Any] | str | None = None) -> str:
        head = self.header() if header is None else header
        first = head if isinstance(head, str) else compact(head)
        second = claims if isinstance(claims, str | bytes) else compact(claims)
        return f"{encode(first)}.{encode(second)}"


def sign_hmac(message: str, secret: bytes, algorithm: str) -> str:
    """What a reader computes that takes a public key for a shared secret."""
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    return encode(hmac.digest(secret, message.encode(), digest))


def load_keys() -> tuple[list[SigningKey], list[SigningKey]]:
    """The issuer's keys and those of strangers, in the order EdDSA, ES256, RS256."""
    document = json.loads((Path(__file__).parent / "TEST-ONLY-keys.json").read_text())
    return [SigningKey(jwk) for jwk in document["keys"]], [SigningKey(jwk) for jwk in document["strangers"]]


def _private_key(jwk: Mapping[str, str]) -> PrivateKey:
    match jwk["kty"]:
        case "OKP":
            return ed25519.Ed25519PrivateKey.from_private_bytes(decode(jwk["d"]))
        case "EC":
            public = ec.EllipticCurvePublicNumbers(number(jwk["x"]), number(jwk["y"]), ec.SECP256R1())
            return ec.EllipticCurvePrivateNumbers(number(jwk["d"]), public).private_key()
        case _:
            p, q, d, dp, dq, qi, e, n = (number(jwk[name]) for name in ("p", "q", "d", "dp", "dq", "qi", "e", "n"))
            return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n)).private_key()


def _mask(seed: bytes, length: int) -> bytes:
    """MGF1 with SHA-256 (RFC 8017 §B.2.1)."""
    blocks = (hashlib.sha256(seed + counter.to_bytes(4)).digest() for counter in range(-(-length // 32)))
    return b"".join(blocks)[:length]
