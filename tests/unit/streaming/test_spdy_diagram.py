"""The drawing in docs/streaming.md is the table in the code."""

from __future__ import annotations

from pathlib import Path

from cri_shim.streaming.spdy.states import TRANSITIONS, State, Step

PAGE = Path(__file__).parents[3] / "docs" / "streaming.md"


def diagram() -> str:
    """The transitions that change something, resets left out, as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> IDLE"]
    for (state, step), after in TRANSITIONS.items():
        if state is not after and step not in (Step.RECEIVE_RESET, Step.SEND_RESET):
            lines.append(f"    {state.name} --> {after.name}: {step.value}")
    return "\n".join([*lines, "    CLOSED --> [*]", "```"])


def test_the_drawing_is_the_table():
    """Whoever changes the one has to change the other; the failure shows what to paste."""
    assert diagram() in PAGE.read_text()


def test_every_state_can_be_reached_and_left():
    """No state is there for show."""
    reached = {after for (state, _), after in TRANSITIONS.items() if state is not after}
    assert reached | {State.IDLE} == set(State)
    assert {state for (state, _), after in TRANSITIONS.items() if state is not after} | {State.CLOSED} == set(State)
