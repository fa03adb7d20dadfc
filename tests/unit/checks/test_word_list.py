"""Names that use a word of the glossary's list are reported, names that others gave are not."""

from __future__ import annotations

import pytest

from checks import word_list

GLOSSARY = """
# Glossary

| `pod` | not part of the list |

## Words we do not use

| instead of | write |
| --- | --- |
| `told`, `turns` | `notified` |
| `why_not` | `reason` |
| `prose.py` | `sentences.py` |
| `Pace` | `AdmissionLimiter` |

## Names that others gave

| name | whose it is |
| --- | --- |
| `told_apart` | a library's |

## Something else

| `pod` | |
"""


def names(checkout, text, path="cri_shim/a.py"):
    violations = word_list.check(checkout({"docs/glossary.md": GLOSSARY, path: text}))
    return [(each.line, each.text.split()[0]) for each in violations]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("told = 1", "told"),
        ("told: int = 1", "told"),
        ("_TOLD_AT, b = 1, 2", "_TOLD_AT"),
        ("def is_told(): ...", "is_told"),
        ("async def is_told(): ...", "is_told"),
        ("def a(*, told=1): ...", "told"),
        ("a = lambda told: 1", "told"),
        ("class ToldPods: ...", "ToldPods"),
        ("class HTTPTold: ...", "HTTPTold"),
        ("class Pace: ...", "Pace"),
        ("class _Pace: ...", "_Pace"),
        ("a = dict(told=1)", "told"),
        ("import a as told", "told"),
        ("from a import b as told", "told"),
        ("for told in a: ...", "told"),
        ("with a as told: ...", "told"),
        ("try: ...\nexcept E as told: ...", "told"),
        ("self.turns = 1", "turns"),
        ("a = [1 for told in b]", "told"),
        ("if (told := 1): ...", "told"),
        ("match a:\n    case [told, *b]: ...", "told"),
        ("match a:\n    case [b, *told]: ...", "told"),
        ("match a:\n    case {'a': 1, **told}: ...", "told"),
        ("a = '\"'  # \"\ntold = 1", "told"),
        ('"""It\'s"""\ntold = 1', "told"),
        ("why_not = 1", "why_not"),
        ("the_why_not_text = 1", "the_why_not_text"),
        ("told_apart_or_told = 1", "told_apart_or_told"),
    ],
)
def test_a_name_that_the_file_gives(checkout, text, name):
    assert [given for _, given in names(checkout, text)] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "'told'  # told",
        "a.told()",
        "from a import told",
        "import told",
        "f(told=1)",
        "untold = 1",
        "why = 1\nnot_why = 2",
        "pace = 1\nclass PaceMaker: ...",
        "told_apart = 1",
        "pod = 1",
        "prose = 1",
    ],
)
def test_what_is_no_violation(checkout, text):
    assert names(checkout, text) == []


def test_the_first_place_of_each_name(checkout):
    assert names(checkout, "a = 1\ntold = 1\ntold = 2\nturns = 1\n") == [(2, "told"), (4, "turns")]


def test_tests_speak_in_sentences(checkout):
    text = "def test_a_client_is_told(): ...\nclass told: ...\n"
    assert names(checkout, text, "tests/unit/test_a.py") == [(2, "told")]


@pytest.mark.parametrize(
    "path", ["cri_shim/told/a.py", "cri_shim/turns.py", "lab/prose.py", "cri_shim/page/toldStory.js"]
)
def test_names_of_files_and_folders(checkout, path):
    (violation,) = word_list.check(checkout({"docs/glossary.md": GLOSSARY, path: ""}))
    assert violation.path == path


def test_a_page_in_javascript(checkout):
    text = """\
// told
/* told */
const a = "told" + 'told' + `told ${isTold} told`;
function turns() { return toldAll; }
"""
    assert names(checkout, text, "cri_shim/page/a.js") == [(3, "isTold"), (4, "toldAll"), (4, "turns")]


def test_a_template_with_braces_inside(checkout):
    text = "const a = `told ${b({c: told})} turns ${turns} {told_apart}`;\n"
    assert names(checkout, text, "cri_shim/page/a.js") == [(1, "told"), (1, "turns")]


def test_a_style_sheet(checkout):
    text = """\
/* .told,
   #turns */
.is-told > a, #turns { --told-width: 1px; color: #abcdef; background: url(told.png); }
"""
    assert names(checkout, text, "cri_shim/page/a.css") == [(3, "is-told"), (3, "told-width"), (3, "turns")]


def test_a_shell_script(checkout):
    text = """\
#!/bin/bash
echo "told=1 $told"
  told="$(grep a b)"
for turns in 1 2; do :; done
is_told() { :; }
"""
    assert names(checkout, text, "bin/run") == [(3, "told"), (4, "turns"), (5, "is_told")]
