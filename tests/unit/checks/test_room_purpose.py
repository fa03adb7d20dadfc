"""A room says what it is for, what it may import and what it must never do."""

from __future__ import annotations

import pytest

from checks import room_purpose

DOCSTRING = '''"""Pods and containers as values.

Some more about them.

May import: ``errors`` and ``kernel``, because
paths are checked there.

Must never: wait for anything.
"""
'''


def test_a_room_that_says_it_all(checkout):
    repository = checkout({"cri_shim/state/__init__.py": DOCSTRING})
    assert room_purpose.check(repository) == []
    assert room_purpose.read_purpose(repository, "cri_shim/state") == room_purpose.Purpose(
        "Pods and containers as values.",
        "``errors`` and ``kernel``, because paths are checked there.",
        "wait for anything.",
    )


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", ["summary line", "paragraph 'May import:'", "paragraph 'Must never:'"]),
        ('"""Values."""', ["paragraph 'May import:'", "paragraph 'Must never:'"]),
        ('"""Values.\n\nMust never: wait."""', ["paragraph 'May import:'"]),
    ],
)
def test_a_room_that_does_not(checkout, text, missing):
    violations = room_purpose.check(checkout({"cri_shim/state/__init__.py": text}))
    assert [each.text for each in violations] == [
        f"the docstring of the room has no {what}: add it" for what in missing
    ]


def test_a_room_without_an_init(checkout):
    violations = room_purpose.check(checkout({"cri_shim/state/stored/spec.py": ""}))
    assert {each.path for each in violations} == {"cri_shim/state/stored/__init__.py"}


def test_an_import_that_the_docstring_does_not_name(checkout):
    files = {
        "cri_shim/errors.py": "",
        "cri_shim/paths.py": "",
        "cri_shim/kernel/mounts/table.py": "",
        "cri_shim/state/__init__.py": DOCSTRING,
        "cri_shim/state/pods.py": "from cri_shim import errors, paths\nimport cri_shim.kernel.mounts.table\n",
    }
    violations = [each for each in room_purpose.check(checkout(files)) if "/state/" in each.path]
    assert [each.text.split(":")[0] for each in violations] == [
        "the room imports paths, which its docstring does not name"
    ]
