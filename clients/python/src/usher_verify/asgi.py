"""The middleware for ASGI applications: Starlette, FastAPI, Django, Litestar, Quart and their like."""

from collections.abc import Collection

from .answers import NO_TOKEN, Answer, answer_for, bearer_token
from .claims import Claims
from .refused import Forbidden, Refused
from .verifier import Verifier
from .websocket import Application, GuardedSocket, Receive, Scope, Send


class UsherMiddleware:
    """Lets requests and WebSockets through that bring a good access token.

    The claims are then in `scope["state"]["usher"]`, which Starlette and FastAPI show as `request.state.usher`. Paths
    in `public` are let through without a token; they are compared exactly. A WebSocket is closed within about a second
    when its token is no longer good, and so at the latest when that has expired.
    """

    def __init__(
        self,
        app: Application,
        verifier: Verifier,
        *,
        roles: Collection[str] = (),
        scopes: Collection[str] = (),
        public: Collection[str] = (),
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._roles = tuple(roles)
        self._scopes = tuple(scopes)
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request, WebSocket or lifespan."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        found = await authenticate(self._verifier, scope, self._roles, self._scopes)
        if isinstance(found, Answer):
            await (refuse_request if scope["type"] == "http" else refuse_websocket)(found, scope, receive, send)
            return
        inner = {**scope, "state": {**scope.get("state", {}), "usher": found}}
        if scope["type"] == "websocket":
            await GuardedSocket(self._verifier, found, receive, send).run(self._app, inner)
        else:
            await self._app(inner, receive, send)


async def authenticate(
    verifier: Verifier, scope: Scope, roles: tuple[str, ...], scopes: tuple[str, ...]
) -> Claims | Answer:
    """Who asks, or what to answer instead."""
    token = bearer_token([value for name, value in scope["headers"] if name.lower() == b"authorization"])
    if token is None:
        return NO_TOKEN
    try:
        return await verifier.check_or_fetch(token, roles=roles, scopes=scopes)
    except (Refused, Forbidden) as error:
        return answer_for(error)


async def refuse_request(answer: Answer, _scope: Scope, _receive: Receive, send: Send) -> None:
    """Answers with a problem document."""
    await _respond("http.response", answer, send)


async def refuse_websocket(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the handshake with a problem document where the server can, and closes the WebSocket where not."""
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        await _respond("websocket.http.response", answer, send)
    else:
        await send({"type": "websocket.close", "code": answer.close_code, "reason": answer.code})


async def _respond(kind: str, answer: Answer, send: Send) -> None:
    body = answer.body()
    headers = [(name.encode(), value.encode()) for name, value in answer.all_headers()]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
