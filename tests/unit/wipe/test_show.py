"""What is printed: bounded, clean, and a document with stable keys."""

from __future__ import annotations

import json

from cri_shim.wipe.inventory import KINDS, Inventory
from cri_shim.wipe.marks import OwnIds
from cri_shim.wipe.show import document, text


def test_text_is_bounded_and_clean():
    """A name from outside cannot forge a line, and a hundred pods fit a screen."""
    names = {
        "pods": [f"{number:03} ns/pod" for number in range(100)],
        "tasks": [],
        "mounts": ["/a\n/b\x1b[2J", "x" * 200],
    }
    lines = list(text("would be removed:", names))
    assert lines[:2] == ["would be removed:", "  pods: 100"]
    assert "    ... and 88 more (-o json shows all)" in lines
    assert not any("tasks" in line for line in lines)
    assert all(line.isprintable() for line in lines)
    assert "    /a\\n/b\\x1b[2J" in lines


def test_the_document_has_every_kind():
    """Empty ones too, so that a script need not ask whether a key is there."""
    names = dict.fromkeys(KINDS, ()) | {"pods": ("a",)}
    before = Inventory(OwnIds(), names, {"containers of other clients": 2})
    dry = json.loads(document(before, None, {}, offline=False))
    assert dry["dry_run"]
    assert list(dry["found"]) == list(KINDS)
    assert dry["left"] == {}
    assert dry["of_others"] == {"containers of other clients": 2}
    done = json.loads(document(before, Inventory(OwnIds(), names), {"a": "in a bad mood\n"}, offline=True))
    assert (done["dry_run"], done["offline"], done["left"]["pods"]) == (False, True, ["a"])
    assert done["errors"] == [{"what": "a", "error": "in a bad mood\\n"}]
