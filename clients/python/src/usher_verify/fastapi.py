"""The dependency for FastAPI. Needs the extra `usher-verify[fastapi]`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from .answers import Answer
from .asgi import authenticate
from .claims import Claims
from .verifier import Verifier

# It only draws the lock in the documentation of the API. The check is ours.
_shown_in_openapi = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token of Usher")


class NotLetIn(Exception):
    """A request is answered with a refusal instead of being handled."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.code)
        self.answer = answer


def install(app: FastAPI, verifier: Verifier) -> None:
    """Makes `require_user` work in this application, and runs the verifier as long as the application runs."""
    app.state.usher_verifier = verifier
    app.add_exception_handler(NotLetIn, _answer)
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(inner: Any) -> AsyncIterator[Any]:
        async with verifier, before(inner) as state:
            yield state

    app.router.lifespan_context = lifespan


def require_user(*, roles: Collection[str] = (), scopes: Collection[str] = ()) -> Callable[..., Awaitable[Claims]]:
    """A dependency that gives the claims of a good access token: `Depends(require_user(roles=["player"]))`.

    Needs any of the roles (if there are any) and all of the scopes.
    """
    any_role, all_scopes = tuple(roles), tuple(scopes)

    async def user(
        request: Request,
        _shown: Annotated[HTTPAuthorizationCredentials | None, Security(_shown_in_openapi)],
    ) -> Claims:
        verifier = getattr(request.app.state, "usher_verifier", None)
        if not isinstance(verifier, Verifier):
            raise RuntimeError("call usher_verify.fastapi.install(app, verifier) first")
        found = await authenticate(verifier, request.scope, any_role, all_scopes)
        if isinstance(found, Answer):
            raise NotLetIn(found)
        return found

    return user


async def _answer(_request: Request, error: Exception) -> Response:
    if not isinstance(error, NotLetIn):
        raise error
    return Response(error.answer.body(), error.answer.status, dict(error.answer.all_headers()))
