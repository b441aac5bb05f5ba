"""A small service behind Usher, for the tests of the whole system.

Environment: USHER_ISSUER, USHER_URL, USHER_FEED_TOKEN, PORT. It listens on 127.0.0.1.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import uvicorn
from fastapi import Depends, FastAPI
from usher_verify import Claims, Settings, Verifier
from usher_verify.fastapi import install, require_user

verifier = Verifier(
    Settings(
        issuer=os.environ["USHER_ISSUER"],
        url=os.environ.get("USHER_URL", ""),
        feed_token=os.environ.get("USHER_FEED_TOKEN", ""),
    )
)
app = FastAPI()
install(app, verifier)


@app.get("/whoami")
async def whoami(user: Annotated[Claims, Depends(require_user())]) -> dict[str, Any]:
    """Who asks."""
    return {"service": "python", "user": user.sub, "roles": list(user.roles)}


@app.get("/health")
async def health() -> dict[str, str]:
    """That it runs."""
    return {"status": "ok"}


@app.get("/verify-state")
async def verify_state() -> dict[str, Any]:
    """How far the feed has been applied, and when it was heard last."""
    return {
        "position": verifier.position,
        "staleness": verifier.staleness,
        "current": verifier.is_current,
        "ready": verifier.is_ready,
    }


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
