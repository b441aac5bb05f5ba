"""What callers of real applications see: FastAPI with the dependency, and any ASGI application with the middleware."""

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
import websockets
from fake_usher import FEED_TOKEN, FakeUsher, epoch, event, snapshot, stays, token, until
from fastapi import Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from usher_verify import Claims, Settings, UsherMiddleware, Verifier
from usher_verify.fastapi import install, require_user


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Runs an application on a free port, and gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="websockets-sansio"))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


def fastapi_app(verifier: Verifier) -> FastAPI:
    app = FastAPI()
    install(app, verifier)

    @app.get("/whoami")
    async def whoami(user: Annotated[Claims, Depends(require_user())]) -> str:
        return user.sub

    @app.get("/editors", dependencies=[Depends(require_user(roles=["editor"], scopes=["openid"]))])
    async def editors() -> str:
        return "hello"

    return app


def starlette_app(verifier: Verifier) -> Any:
    async def whoami(request: Request) -> JSONResponse:
        return JSONResponse(request.state.usher.sub)

    async def health(_request: Request) -> JSONResponse:
        return JSONResponse("well")

    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(text)

    routes = [Route("/whoami", whoami), Route("/health", health), WebSocketRoute("/echo", echo)]
    app = Starlette(routes=routes, lifespan=verifier.lifespan)
    return UsherMiddleware(app, verifier, scopes=["openid"], public=["/health"])


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


DETAILS = {
    None: "Access tokens cannot be checked at the moment.",
    "Bearer": "An access token is needed.",
    'Bearer error="invalid_token"': "The access token is not accepted.",
    'Bearer error="insufficient_scope"': "The access token lacks a role or a scope.",
}


def expect(answer: httpx.Response, status: int, code: str, challenge: str | None) -> None:
    body = answer.json()
    assert (answer.status_code, body["code"], body["status"], body["type"]) == (status, code, status, "about:blank")
    assert set(body) == {"type", "title", "status", "detail", "code"}
    assert body["detail"] == DETAILS[challenge], "the same words in every language"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get("www-authenticate") == challenge
    assert answer.headers.get("retry-after") == ("5" if status == 503 else None)


INVALID = 'Bearer error="invalid_token"'


@pytest.mark.parametrize("make_app", [fastapi_app, starlette_app])
async def test_answers(make_app: Any) -> None:
    async with FakeUsher() as usher, httpx.AsyncClient() as client:
        usher.scripts = [stays(snapshot(7, epochs={"bob": 4}))]
        verifier = Verifier(Settings(issuer=usher.url, feed_token=FEED_TOKEN))
        async with served(make_app(verifier)) as address:
            url = f"http://{address}/whoami"
            good = token(usher.url)
            answer = await client.get(url, headers=bearer(good))
            assert (answer.status_code, answer.json()) == (200, "ann")
            for scheme in ("bearer", "BEARER"):
                assert (await client.get(url, headers={"Authorization": f"{scheme}  {good}"})).status_code == 200
            expect(await client.get(url), 401, "unauthenticated", "Bearer")
            expect(await client.get(url, headers={"Authorization": "Basic YTpi"}), 401, "unauthenticated", "Bearer")
            expect(await client.get(url, params={"access_token": good}), 401, "unauthenticated", "Bearer")
            bad = [
                "x",
                good[:-2],
                f"{good} x",
                token(usher.url, sub="bob"),
                token(usher.url, exp=1),
                token("https://x"),
            ]
            for text in bad:
                answer = await client.get(url, headers=bearer(text))
                expect(answer, 401, "unauthenticated", INVALID)
                assert not any(word in answer.text for word in ("expired", "revoked", "malformed", "issuer"))
            expect(await client.get(url, headers={"Authorization": "Bearer"}), 401, "unauthenticated", INVALID)
            twice = [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")]
            expect(await client.get(url, headers=twice), 401, "unauthenticated", INVALID)


@pytest.mark.parametrize("make_app", [fastapi_app, starlette_app])
async def test_answers_before_there_are_keys_and_when_the_feed_is_stale(make_app: Any) -> None:
    async with FakeUsher() as usher, httpx.AsyncClient() as client:
        usher.keys_status = 500
        verifier = Verifier(Settings(issuer=usher.url, feed_token=FEED_TOKEN, refuse_after=1))
        verifier_start = verifier.start
        verifier.start = lambda **_: verifier_start(wait=0.1)  # type: ignore[method-assign]
        async with served(make_app(verifier)) as address:
            url = f"http://{address}/whoami"
            good = token(usher.url)
            expect(await client.get(url, headers=bearer(good)), 503, "not_ready", None)
            expect(await client.get(url), 401, "unauthenticated", "Bearer")
            usher.keys_status = 200
            await until(lambda: verifier.is_ready)
            await until(lambda: (verifier.staleness or 0) > 1)
            expect(await client.get(url, headers=bearer(good)), 503, "revocations_stale", None)


async def test_lacking_a_role_or_a_scope_is_forbidden() -> None:
    async with FakeUsher() as usher, httpx.AsyncClient() as client:
        verifier = Verifier(Settings(issuer=usher.url, feed_token=FEED_TOKEN))
        challenge = 'Bearer error="insufficient_scope"'
        async with served(fastapi_app(verifier)) as address:
            url = f"http://{address}/editors"
            right = token(usher.url, roles=["user", "editor"])
            assert (await client.get(url, headers=bearer(right))).status_code == 200
            lacking: list[dict[str, Any]] = [{"roles": ["user"]}, {"roles": ["editor"], "scope": ""}, {"roles": []}]
            for changes in lacking:
                answer = await client.get(url, headers=bearer(token(usher.url, **changes)))
                expect(answer, 403, "forbidden", challenge)
            schema = (await client.get(f"http://{address}/openapi.json")).json()
            assert schema["paths"]["/editors"]["get"]["security"] == [{"HTTPBearer": []}]
        async with served(starlette_app(Verifier(verifier.settings))) as address:
            assert (await client.get(f"http://{address}/health")).status_code == 200
            answer = await client.get(f"http://{address}/whoami", headers=bearer(token(usher.url, scope="")))
            expect(answer, 403, "forbidden", challenge)


async def test_a_websocket_is_refused_at_its_handshake() -> None:
    async with FakeUsher() as usher:
        verifier = Verifier(Settings(issuer=usher.url, feed_token=FEED_TOKEN))
        async with served(starlette_app(verifier)) as address:
            for headers, status in (({}, 401), (bearer("x"), 401), (bearer(token(usher.url, scope="")), 403)):
                with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
                    await websockets.connect(f"ws://{address}/echo", additional_headers=headers)
                answer = caught.value.response
                assert answer.status_code == status
                assert json.loads(answer.body or b"")["status"] == status


async def test_a_websocket_is_closed_where_the_server_cannot_answer() -> None:
    async with FakeUsher() as usher, Verifier(Settings(issuer=usher.url, feed_token=FEED_TOKEN)) as verifier:
        app = starlette_app(verifier)
        for headers, code in (
            ([], 4401),
            ([(b"authorization", f"Bearer {token(usher.url, scope='')}".encode())], 4403),
        ):
            sent: list[Any] = []

            async def receive() -> dict[str, Any]:
                return {"type": "websocket.connect"}

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message)

            await app({"type": "websocket", "path": "/echo", "headers": headers}, receive, send)
            assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", code)]


async def test_a_websocket_ends_with_the_first_message_after_a_revocation() -> None:
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7), epoch(9, 7, "ann", 4), pause=0.3)]
        verifier = Verifier(Settings(issuer=usher.url, feed_token=FEED_TOKEN))
        async with (
            served(starlette_app(verifier)) as address,
            websockets.connect(f"ws://{address}/echo", additional_headers=bearer(token(usher.url))) as connection,
        ):
            await connection.send("first")
            assert await connection.recv() == "first"
            await until(lambda: verifier.position == 9)
            await connection.send("second")
            with pytest.raises(websockets.exceptions.ConnectionClosed) as caught:
                await connection.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 4401


@pytest.mark.parametrize("trouble", ["epoch", "key", "expiry", "policy"])
async def test_a_silent_websocket_ends_within_a_second_or_so(trouble: str) -> None:
    withdrawn = event("keys", {"index": 9, "previous": 7, "withdrawn": ["ed-1"]}, 9)
    said = {"epoch": [epoch(9, 7, "ann", 4)], "key": [withdrawn]}.get(trouble, [])
    clock = time.time()
    async with FakeUsher() as usher:
        usher.scripts = [stays(snapshot(7), *said, pause=0.3)]
        limit = 1.0 if trouble == "policy" else None
        settings = Settings(issuer=usher.url, feed_token=FEED_TOKEN, refuse_after=limit)
        verifier = Verifier(settings, clock=lambda: clock)
        async with (
            served(starlette_app(verifier)) as address,
            websockets.connect(f"ws://{address}/echo", additional_headers=bearer(token(usher.url))) as connection,
        ):
            await connection.send("first")
            assert await connection.recv() == "first"
            clock += 961 if trouble == "expiry" else 0
            async with asyncio.timeout(3):
                await connection.wait_closed()
            assert connection.close_code == (1013 if trouble == "policy" else 4401)


async def test_an_application_that_only_talks_is_told_that_its_websocket_has_ended() -> None:
    async with FakeUsher() as usher, Verifier(Settings(issuer=usher.url, feed_token=FEED_TOKEN)) as verifier:
        sent: list[Any] = []
        messages = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "late"}]

        async def app(_scope: Any, receive: Any, send: Any) -> None:
            assert await receive() == {"type": "websocket.connect"}
            # Whoever gives up waiting loses no message.
            waiting = asyncio.create_task(receive())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert (await receive())["text"] == "late"
            verifier._checker.revocations.end_session("session-1", 900)
            async with asyncio.timeout(3):
                with pytest.raises(OSError, match="no longer good"):
                    while True:
                        await send({"type": "websocket.send", "text": "more"})
                        await asyncio.sleep(0.01)
            assert (await receive())["type"] == "websocket.disconnect"

        async def receive() -> Any:
            await asyncio.sleep(0.05)
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"authorization", f"Bearer {token(usher.url)}".encode())]
        scope = {"type": "websocket", "path": "/", "headers": headers}
        await UsherMiddleware(app, verifier)(scope, receive, send)
        assert sent[-1] == {"type": "websocket.close", "code": 4401, "reason": "unauthenticated"}
        assert [message["type"] for message in sent].count("websocket.close") == 1


async def test_the_service_of_the_whole_system_tests_runs() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with FakeUsher() as usher, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        environment = {
            **os.environ, "USHER_ISSUER": "https://id.example", "USHER_URL": usher.url, "USHER_FEED_TOKEN": FEED_TOKEN,
            "PORT": str(port),
        }  # fmt: skip
        service = str(Path(__file__).parent / "service.py")
        process = await asyncio.create_subprocess_exec(sys.executable, service, env=environment)
        try:
            async with asyncio.timeout(15):
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        if (await client.get("/health")).status_code == 200:
                            break
                    await asyncio.sleep(0.05)
            answer = await client.get("/whoami", headers=bearer(token("https://id.example", roles=["player"])))
            assert answer.json() == {"service": "python", "user": "ann", "roles": ["player"]}
            assert (await client.get("/whoami")).status_code == 401
            state = (await client.get("/verify-state")).json()
            assert state["position"] == 1
            assert 0 <= state["staleness"] < 15
        finally:
            process.terminate()
            await process.wait()
