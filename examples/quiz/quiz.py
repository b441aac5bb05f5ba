"""A quiz behind Usher's gateway.

It keeps no accounts and no sessions. Each call shows an access token, which the quiz checks by itself: it holds Usher's
public keys and a small map of what was revoked, and follows the feed that keeps the map current. So it goes on while
Usher is down, and refuses somebody who was banned at their next click.
"""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict
from usher_verify import Claims, Settings, Verifier
from usher_verify.fastapi import install, require_user

HERE = Path(__file__).parent

# No inline script, no inline style, nothing from another host: what somebody manages to smuggle in does not run.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Question:
    """What is asked, and what is right."""

    text: str
    choices: list[str]
    right: int
    why: str


@dataclass
class Round:
    """One person's way through the questions."""

    answers: list[bool] = field(default_factory=list)

    @property
    def score(self) -> int:
        """How many were right."""
        return sum(self.answers)


class Asked(BaseModel):
    """A question as the player sees it: without what is right."""

    number: int
    of: int
    text: str
    choices: list[str]


class Answer(BaseModel):
    """What the player chose."""

    model_config = ConfigDict(extra="forbid", strict=True)

    number: int
    choice: int


class Judged(BaseModel):
    """What became of an answer. After the last one there is no next question."""

    correct: bool
    right: int
    why: str
    score: int
    next: Asked | None


QUESTIONS = [Question(**entry) for entry in json.loads((HERE / "questions.json").read_text("utf-8"))]

# By the subject of the token, which is the account's id. In memory: whoever restarts the quiz begins anew.
rounds: dict[str, Round] = {}

verifier = Verifier(
    Settings(
        issuer=os.environ.get("USHER_ISSUER", "http://localhost:8080"),
        url=os.environ.get("USHER_URL", "http://127.0.0.1:8081"),
        feed_token=os.environ["USHER_FEED_TOKEN"],
    )
)

# Whoever has a good token may play. `require_user(roles=["player"])` would ask for more.
Player = Annotated[Claims, Depends(require_user())]

app = FastAPI(title="Quiz", docs_url=None, redoc_url=None, openapi_url=None)
install(app, verifier)
app.mount("/static", StaticFiles(directory=HERE / "static"))
templates = Jinja2Templates(HERE / "templates")


@app.middleware("http")
async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Says of every answer what a browser may do with it."""
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store" if "/api/" in request.url.path else "no-cache"
    return response


@app.get("/")
async def page(request: Request) -> Response:
    """The page, for everybody: who may play is asked when they play."""
    return templates.TemplateResponse(request, "quiz.html", {"count": len(QUESTIONS)})


@app.get("/pulse")
async def pulse() -> dict[str, float | None]:
    """How long ago the quiz last heard from Usher, in seconds. Nothing before the first time."""
    return {"heard_seconds_ago": verifier.staleness}


@app.get("/health")
async def health() -> dict[str, str]:
    """For the gateway, which asks every other second."""
    return {"status": "ok"}


@app.post("/api/rounds", status_code=201)
async def begin(player: Player) -> Asked:
    """Begins anew."""
    rounds[player.sub] = Round()
    return ask(0)


@app.post("/api/answers")
async def answer(player: Player, given: Answer) -> Judged:
    """Takes one answer to the question that is open, once.

    Nothing in here waits, so of two answers at the same time the second finds another question open.
    """
    played = rounds.get(player.sub)
    if played is None or given.number != len(played.answers) or given.number >= len(QUESTIONS):
        raise HTTPException(409, "This is not the question that you were asked. Begin a new round.")
    question = QUESTIONS[given.number]
    if not 0 <= given.choice < len(question.choices):
        raise HTTPException(422, "There is no such choice.")
    correct = given.choice == question.right
    played.answers.append(correct)
    is_over = len(played.answers) == len(QUESTIONS)
    return Judged(
        correct=correct,
        right=question.right,
        why=question.why,
        score=played.score,
        next=None if is_over else ask(len(played.answers)),
    )


def ask(number: int) -> Asked:
    """The question of this number, counted from 0."""
    question = QUESTIONS[number]
    return Asked(number=number, of=len(QUESTIONS), text=question.text, choices=question.choices)
