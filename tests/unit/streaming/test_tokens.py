"""Tokens: once, soon, and not too many."""

from __future__ import annotations

import pytest

from cri_shim.errors import ResourceExhaustedError
from cri_shim.streaming.tokens import Tokens


class FakeClock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_good_once() -> None:
    """The second taker gets nothing, nor does one who guesses."""
    tokens: Tokens[str] = Tokens()
    token = tokens.add("exec")
    assert tokens.take("guess") is None
    assert tokens.take(token) == "exec"
    assert tokens.take(token) is None


def test_a_token_lives_a_minute() -> None:
    """And takes no room afterwards."""
    clock = FakeClock()
    tokens: Tokens[str] = Tokens(clock=clock)
    early = tokens.add("early")
    clock.now = 59.0
    late = tokens.add("late")
    assert len(tokens) == 2
    clock.now = 60.0
    assert tokens.take(early) is None
    assert len(tokens) == 1
    assert tokens.take(late) == "late"


def test_too_many_are_refused_until_some_are_gone() -> None:
    """A limit that a client cannot wait out by asking more."""
    clock = FakeClock()
    tokens: Tokens[int] = Tokens(most=3, clock=clock)
    for number in range(3):
        tokens.add(number)
    with pytest.raises(ResourceExhaustedError, match="3 streaming requests"):
        tokens.add(4)
    clock.now = 61.0
    tokens.add(5)
    assert len(tokens) == 1
