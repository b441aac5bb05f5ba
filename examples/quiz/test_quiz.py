"""The quiz's story, told by the real programs: `USHER_BIN=… python3 test_quiz.py`. Needs ports 8080, 8081 and 9000."""

import json
import secrets
import subprocess
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, TypeAlias

HERE = Path(__file__).resolve().parent
DOOR = "http://localhost:8080"
QUIZ_ITSELF = "http://127.0.0.1:9000"
PASSWORD = "purple lantern drifts slowly"

Answer: TypeAlias = tuple[int, dict[str, Any]]


def post(path: str, body: dict[str, Any] | None = None, token: str = "", at: str = DOOR) -> Answer:
    """Status and document of one call."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(at + path, data=data, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"{}")


class Player:
    """Somebody with an account, in the middle of a round."""

    def __init__(self, name: str) -> None:
        self.email = f"{name}-{secrets.token_hex(4)}@example.com"
        status, signed_in = post("/api/v1/auth/register", {"email": self.email, "password": PASSWORD})
        assert status == 201, (status, signed_in)
        self.token = str(signed_in["access_token"])
        self.refresh_token = str(signed_in["refresh_token"])
        self.number = 0
        status, _ = post("/quiz/api/rounds", token=self.token)
        assert status == 201, status

    def click(self) -> Answer:
        """Answers the question that is open."""
        answer = post("/quiz/api/answers", {"number": self.number, "choice": 0}, self.token)
        self.number += answer[0] == 200
        return answer


class Story(unittest.TestCase):
    """Everything runs; somebody is banned; the services stop; they come back."""

    def setUp(self) -> None:
        """Starts it, as a reader of the README does."""
        self.run_script = subprocess.Popen(
            [HERE / "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.wait_for("http://localhost:8080/quiz/")
        self.wait_for("kill ")

    def tearDown(self) -> None:
        """Ends it, and sees that nobody is left."""
        self.type("quit")
        self.run_script.communicate(timeout=60)
        self.assertEqual(self.run_script.returncode, 0)
        for address in (DOOR, QUIZ_ITSELF, "http://127.0.0.1:8081"):
            with self.assertRaises(urllib.error.URLError):
                post("/", at=address)

    def type(self, line: str) -> None:
        """Types a line."""
        assert self.run_script.stdin is not None
        print(line, file=self.run_script.stdin, flush=True)

    def wait_for(self, words: str) -> None:
        """Reads what is printed until it has these words."""
        assert self.run_script.stdout is not None
        for line in self.run_script.stdout:
            if words in line:
                return
        self.fail(f"`run` ended without saying {words!r}")

    def assert_refused_soon(self, banned: Player) -> None:
        """A click is refused within a second."""
        began = time.monotonic()
        while (status := banned.click()[0]) == 200:
            self.assertLess(time.monotonic() - began, 1, "still let in a second after the ban")
        self.assertEqual(status, 401)

    def test_banned_in_the_middle_and_playing_on_alone(self) -> None:
        """The README's four steps."""
        ann, ben = Player("ann"), Player("ben")
        self.assertEqual(ann.click()[0], 200)
        self.assertEqual(post("/quiz/api/rounds")[0], 401)

        self.type(f"ban {ann.email}")
        # The line is printed when the ban is in force at the services.
        self.wait_for("  ")
        self.assert_refused_soon(ann)
        itself = post("/api/rounds", token=ann.token, at=QUIZ_ITSELF)
        self.assertEqual((itself[0], itself[1]["code"]), (401, "unauthenticated"))
        self.assertEqual(post("/api/v1/auth/refresh", {"refresh_token": ann.refresh_token})[0], 401)
        self.assertEqual(post("/api/v1/auth/login", {"email": ann.email, "password": PASSWORD})[0], 401)
        self.assertEqual(ben.click()[0], 200)

        self.type("stop")
        self.wait_for("stopped")
        for _ in range(3):
            self.assertEqual(ben.click()[0], 200)
        self.assertEqual(ann.click()[0], 401)
        self.assertGreaterEqual(post("/api/v1/auth/login", {"email": ben.email, "password": PASSWORD})[0], 502)

        self.type("start")
        self.wait_for("back")
        self.assertEqual(ann.click()[0], 401)
        self.assertEqual(ben.click()[0], 200)
        self.type(f"unban {ann.email}")
        self.wait_for("  ")
        status, signed_in = post("/api/v1/auth/login", {"email": ann.email, "password": PASSWORD})
        self.assertEqual(status, 200)
        self.assertEqual(post("/quiz/api/rounds", token=signed_in["access_token"])[0], 201)
        self.assertEqual(ann.click()[0], 401, "the old token stays dead")


if __name__ == "__main__":
    unittest.main()
