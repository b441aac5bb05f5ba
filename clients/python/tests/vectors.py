"""Finds the shared test vectors, and makes tokens with the keys that they were made with."""

import json
import sys
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[2] / "vectors"
sys.path.insert(0, str(VECTORS))


def load(name: str) -> dict[str, Any]:
    """One file of vectors."""
    document: dict[str, Any] = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return document
