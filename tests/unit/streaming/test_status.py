"""The last word of a remote command."""

from __future__ import annotations

import json

from cri_shim.streaming.remote import Outcome
from cri_shim.streaming.status import status_json, status_text


def test_success():
    """Silence before v4, a word since."""
    assert json.loads(status_json(Outcome())) == {"metadata": {}, "status": "Success"}
    assert status_text(Outcome()) == b""


def test_exit_code():
    """Where kubectl reads it."""
    status = json.loads(status_json(Outcome(exit_code=137)))
    assert status["status"] == "Failure"
    assert status["reason"] == "NonZeroExitCode"
    assert status["details"] == {"causes": [{"reason": "ExitCode", "message": "137"}]}
    assert status_text(Outcome(exit_code=137)).endswith(b": 137")


def test_error():
    """What went wrong wins over a code that means nothing then."""
    status = json.loads(status_json(Outcome(exit_code=1, error="no such container")))
    assert (status["reason"], status["code"], status["message"]) == ("InternalError", 500, "no such container")
    assert status_text(Outcome(error="no such container")) == b"no such container"


def test_an_error_of_any_text():
    """What a runtime or a path contains is made encodable and cut, in both forms."""
    outcome = Outcome(error="\ud800" + "word " * 600_000 + "end")
    status = json.loads(status_json(outcome))
    said = status["message"]
    assert status["details"]["causes"] == [{"message": said}]
    assert status_text(outcome).decode() == said
    assert said.startswith("\N{REPLACEMENT CHARACTER}word")
    assert said.endswith("word end")
    assert len(said) < 4200
