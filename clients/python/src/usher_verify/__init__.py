"""Checks Usher's access tokens where they are used, and refuses revoked ones within a second.

A `Verifier` holds the public keys of one issuer and what that issuer has revoked, so a check asks nobody. It follows
Usher's revocation feed beside the requests; when Usher is down, checks go on, and `staleness` says for how long.

`checker.py` is the check itself, without network and clock; `stream.py` reads the feed; `verifier.py` keeps both
fresh; `asgi.py` and `fastapi.py` are the faces for applications.
"""

from .asgi import UsherMiddleware
from .claims import Claims
from .refused import Forbidden, Reason, Refused
from .settings import Settings
from .verifier import Verifier

__all__ = ["Claims", "Forbidden", "Reason", "Refused", "Settings", "UsherMiddleware", "Verifier"]
