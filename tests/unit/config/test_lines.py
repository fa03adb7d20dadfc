"""Finding the line of each key in a TOML text."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from cri_shim.config.lines import lines_of

TRICKY = '''\
# [not.a.table]
a = "x # y = 1"          # 2
b.c."d.e" = 1            # 3
[t."q.r"]                # 4
s = """
[fake]
f = 1 \\""" still
end""""
after = 'lit\\'          # 9
l = \'\'\'
k = 1\'\'\'\'
m = [ 1, # one
  [2,
   "]"], { in = "}", on = 3 },
]
n = 1979-05-27 07:32:00Z # 16
[[rows]]                 # 17
x = 1
[rows.sub]               # 19
y = 1
[[rows]]                 # 21
x = 2
[rows.sub]               # 23
y = 2
[[rows.deep]]            # 25
z = 3
'''


def test_keys_are_found_whatever_stands_around_them():
    """Comments, all four kinds of strings, arrays, inline tables and arrays of tables do not mislead."""
    tomllib.loads(TRICKY)
    lines = lines_of(TRICKY)
    assert {path: lines[path] for path in lines if "fake" in path or "f" in path or "k" in path} == {}
    expected = {
        ("a",): 2,
        ("b",): 3,
        ("b", "c", "d.e"): 3,
        ("t",): 4,
        ("t", "q.r"): 4,
        ("t", "q.r", "s"): 5,
        ("t", "q.r", "after"): 9,
        ("t", "q.r", "l"): 10,
        ("t", "q.r", "m", 0): 12,
        ("t", "q.r", "m", 1, 0): 13,
        ("t", "q.r", "m", 1, 1): 14,
        ("t", "q.r", "m", 2, "on"): 14,
        ("t", "q.r", "n"): 16,
        ("rows", 0): 17,
        ("rows", 0, "x"): 18,
        ("rows", 0, "sub", "y"): 20,
        ("rows", 1): 21,
        ("rows", 1, "sub"): 23,
        ("rows", 1, "sub", "y"): 24,
        ("rows", 1, "deep", 0, "z"): 26,
    }
    assert {path: lines.get(path) for path in expected} == expected


def test_windows_line_ends_count_as_one_line():
    """A file from another system has the same line numbers as in an editor."""
    text = "a = 1\r\n[b]\r\nc = 2\r\n"
    assert lines_of(text) == {("a",): 1, ("b",): 2, ("b", "c"): 3}


def paths(value, path=()):
    """All paths of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*path, key)
        yield from paths(each, (*path, key))


scalar = st.one_of(
    st.integers(),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).map(
        lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    ),
    st.sampled_from(["'#'", '"""\n]\n"""', "'''}\n'''", '"""a""""', "1.5e3", "inf"]),
).map(lambda value: str(value).lower() if isinstance(value, bool) else str(value))
value = st.recursive(
    scalar,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: "[\n" + ", # c ]\n".join(each) + "\n]"),
        st.dictionaries(st.sampled_from(["a", "b-c", '"d.e"', "'f'"]), scalar, max_size=3).map(
            lambda table: "{ " + ", ".join(f"{key} = {each}" for key, each in table.items()) + " }"
        ),
    ),
    max_leaves=6,
)


@given(st.lists(value, max_size=5), st.integers(0, 3))
def test_every_path_of_a_document_has_its_line(values, gap):
    """What tomllib finds, the scanner finds too, on the line on which it was written."""
    text, starts = "", {}
    for index, each in enumerate(values):
        text += "\n" * gap + "# key0 = [\n"
        starts[(f"key{index}",)] = text.count("\n") + 1
        text += f"key{index} = {each} # {{\n"
    lines = lines_of(text)
    assert set(paths(tomllib.loads(text))) == set(lines)
    assert {path: lines[path] for path in starts} == starts
