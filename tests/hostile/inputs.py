"""The inputs of one folder beside this file; README.md has their form."""

from __future__ import annotations

import base64
import tomllib
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

HERE = Path(__file__).parent
KEYS = {"origin", "text", "latin1", "base64", "parts", "outcome", "expect"}
FORMS = {"text", "latin1", "base64", "parts"}
LONGEST_ERROR = 4096


class Input(Struct, frozen=True):
    """One input: its bytes, whether they are accepted, and what then has to be true."""

    name: str
    data: bytes
    accepted: bool
    expectation: dict[str, Any]


def read(path: Path) -> Input:
    """Read one file; raises ValueError for one that has not the form of README.md."""
    document = tomllib.loads(path.read_text())
    forms = FORMS & document.keys()
    if document.keys() - KEYS or len(forms) != 1 or not document.get("origin"):
        raise ValueError(f"{path}: needs an origin and one of {sorted(FORMS)}, and knows only {sorted(KEYS)}")
    if document.get("outcome") not in {"accepted", "refused"}:
        raise ValueError(f"{path}: outcome is 'accepted' or 'refused'")
    given = document[forms.pop()]
    if "parts" in document:
        data = "".join(text * times for text, times in given).encode()
    elif "base64" in document:
        data = base64.b64decode(given, validate=True)
    else:
        data = given.encode("latin-1" if "latin1" in document else "utf-8")
    return Input(path.stem, data, document["outcome"] == "accepted", document.get("expect", {}))


def every(folder: str) -> pytest.MarkDecorator:
    """Parametrize a test's argument ``given`` with all inputs of a folder; an empty folder is an error."""
    inputs = [read(path) for path in sorted((HERE / folder).glob("*.toml"))]
    if not inputs:
        raise ValueError(f"{HERE / folder} holds no input")
    return pytest.mark.parametrize("given", [pytest.param(one, id=one.name) for one in inputs])


def check_refusal(given: Input, error: Exception) -> None:
    """Hold an error to the rules for error texts and to what the input's file expects of it."""
    text = str(error)
    text.encode()
    assert len(text) <= LONGEST_ERROR
    wanted = given.expectation.get("error", "")
    assert wanted, "the input's file names no part of the sentence that refuses it"
    assert wanted in text
