"""A room says what it is for, what it may import and what it must never do."""

from __future__ import annotations

import pytest

from checks import room_purpose

DOCSTRING = '''"""Pods and containers as values.

Some more about them. This room may import ``errors`` and
the floors below. It must never wait for anything.
"""
'''


def test_a_room_that_says_it_all(checkout):
    repository = checkout({"cri_shim/state/__init__.py": DOCSTRING})
    assert room_purpose.check(repository) == []
    assert room_purpose.read_purpose(repository, "cri_shim/state") == room_purpose.Purpose(
        "Pods and containers as values.",
        "This room may import ``errors`` and the floors below.",
        "It must never wait for anything.",
    )


def test_one_sentence_for_both(checkout):
    text = '"""Values.\n\nIt may import only the standard library; it must never do input."""'
    assert room_purpose.read_purpose(checkout({"cri_shim/a/__init__.py": text}), "cri_shim/a") == room_purpose.Purpose(
        "Values.", "It may import only the standard library", "it must never do input."
    )


SUMMARY, IMPORT, NEVER = "summary line", "sentence about what it may import", "sentence about what it must never do"


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", [SUMMARY, IMPORT, NEVER]),
        ('"""Values that may never import."""', [IMPORT, NEVER]),
        ('"""Values.\n\nIt must never wait."""', [IMPORT]),
        ('"""Values.\n\nIt may import ``errors``."""', [NEVER]),
    ],
)
def test_a_room_that_does_not(checkout, text, missing):
    violations = room_purpose.check(checkout({"cri_shim/state/__init__.py": text}))
    assert [each.text for each in violations] == [f"the room's docstring has no {what}: add it" for what in missing]


def test_a_room_without_an_init(checkout):
    violations = room_purpose.check(checkout({"cri_shim/state/stored/spec.py": ""}))
    assert {each.path for each in violations} == {"cri_shim/state/stored/__init__.py"}
