"""Documents read by a table: names, types, and what becomes of fields that the table does not have."""

from __future__ import annotations

import json

import pytest

from untrusted import DocumentError, parse_object, read_shape

SHAPE = {
    "name": "text",
    "names": "texts",
    "count": "unsigned",
    "counts": "integers",
    "deep": {"on": "boolean"},
    "ports": "object_map",
    "made": "time",
    "list": [{"labels": "text_map", "rest": "any"}],
}


def read(text, unknown="drop"):
    """The document as the table has it."""
    return read_shape(parse_object(text.encode()), SHAPE, unknown=unknown)


def test_names_and_types():
    """The table's names, whatever the case of the document's; null is not there."""
    assert read(
        '{"NAME": "a", "Names": ["b"], "count": 18446744073709551615, "counts": [-1, null], "DEEP": {"ON": true}}'
    ) == {
        "name": "a",
        "names": ["b"],
        "count": 18446744073709551615,
        "counts": [-1, 0],
        "deep": {"on": True},
    }
    assert read('{"ports": {"80": {"a": 1}, "81": null}}') == {"ports": {"80": None, "81": None}}
    assert read('{"made": "0000-02-29T00:00:00.5-23:59"}') == {"made": "0000-02-29T00:00:00.5-23:59"}
    for time in ("2026-01-01T1:00:00,5Z", "2026-01-01T01:00:00+24:60"):  # Go reads these as well
        assert read(json.dumps({"made": time})) == {"made": time}
    assert read('{"name": null, "deep": null, "list": null}') == {}
    assert read('{"list": [{"labels": {"A": "b"}, "rest": {"X": null}}]}') == {
        "list": [{"labels": {"A": "b"}, "rest": {"X": None}}]
    }


def test_fields_that_the_table_does_not_have():
    """Dropped, kept as they stand, or refused with their place."""
    text = '{"other": 1, "deep": {"Else": [2]}}'
    assert read(text) == {"deep": {}}
    assert read(text, "keep") == {"other": 1, "deep": {"Else": [2]}}
    with pytest.raises(DocumentError, match=r"deep\.Else is not known"):
        read(text, "refuse")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"count": -1}', "count is not between 0"),
        ('{"counts": [1.5]}', r"counts\[0\] is a number, not a whole number"),
        ('{"counts": [true]}', r"counts\[0\] is true"),
        ('{"deep": []}', "deep is a list, not an object"),
        ('{"ports": ["80"]}', "ports is a list, not an object"),
        ('{"ports": {"80": []}}', r"ports\.80 is a list, not an object"),
        ('{"made": "2026-02-29T00:00:00Z"}', "made '2026-02-29T00:00:00Z' is not a time of RFC 3339"),
        ('{"made": "2026-02-28 00:00:00Z"}', "is not a time"),
        ('{"made": "2026-02-28T24:00:00Z"}', "is not a time"),
        ('{"made": "2026-02-28T01:00:00+25:00"}', "is not a time"),
        ('{"made": "2026-02-28T1:0:00Z"}', "is not a time"),
        ('{"list": [1]}', r"list\[0\] is a number, not an object"),
        ('{"list": [{"labels": {"a": 1}}]}', r"list\[0\]\.labels\.a is a number, not a string"),
    ],
)
def test_wrong_types(text, says):
    """The sentence names the field by its way through the document."""
    with pytest.raises(DocumentError, match=says):
        read(text)
