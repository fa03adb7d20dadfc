"""No identifier uses a word of the glossary's list of words that this project does not use (docs/glossary.md).

The list has one place, the glossary, so that a reader and this rule see the same. Judged are names that this
repository gives: a name that it only uses, such as ``file.tell``, comes from elsewhere. Names of test functions are
whole sentences, in which any word may stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from checks.given_names import names_in_javascript, names_in_python, names_in_shell, names_in_style_sheet
from checks.repository import Repository, is_script
from checks.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GLOSSARY = "docs/glossary.md"
FORBIDDEN = "## Words we do not use"
ALLOWED = "## Names that others gave"
_COMPONENT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PROSE = re.compile(
    r'"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"|' + r"'''(?:\\.|[^\\])*?'''|'(?:\\.|[^'\\\n])*'|#[^\n]*", re.DOTALL
)
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class WordList:
    """Words that no name contains, names of classes and files that none has, and names that others gave.

    A word is a sequence of components: ``why_not`` is two. It has no forms: the list names each.
    """

    words: frozenset[tuple[str, ...]]
    class_names: frozenset[str]
    files: frozenset[str]
    allowed: frozenset[tuple[str, ...]]

    def bad_word(self, name: str) -> str | None:
        """Return the first word of the list that a name contains."""
        if name.lstrip("_") in self.class_names:
            return name.lstrip("_")
        components = split(name)
        for phrase in self.allowed:
            components = _without(components, phrase)
        for size in {len(word) for word in self.words}:
            for part in _windows(components, size):
                if part in self.words:
                    return "_".join(part)
        return None


def split(name: str) -> tuple[str, ...]:
    """Return the components of a name in lower case: ``HTTPServer_two`` has ``http``, ``server`` and ``two``."""
    return tuple(part.lower() for part in _COMPONENT.findall(name))


def read_word_list(glossary: str) -> WordList:
    """Read the list from the text of the glossary: the code spans of the first column of two tables."""
    spans = [*_first_column(glossary, FORBIDDEN)]
    files = {span for span in spans if span.endswith(".py")}
    return WordList(
        frozenset(split(span) for span in spans if span == span.lower() and span not in files),
        frozenset(span for span in spans if span != span.lower()),
        frozenset(files),
        frozenset(split(span) for span in _first_column(glossary, ALLOWED)),
    )


def check(repository: Repository) -> list[Violation]:
    """Return one violation for each name, at the first place of a file that gives it."""
    word_list = read_word_list(repository.text(GLOSSARY))
    bad_word = cache(word_list.bad_word)
    violations = [*_paths(repository, word_list)]
    for path in repository.files:
        if path.endswith(".py") and _uses(repository.text(path), bad_word):
            names = names_in_python(repository.tree(path))
        elif path.endswith(".js"):
            names = names_in_javascript(repository.text(path))
        elif path.endswith(".css"):
            names = names_in_style_sheet(repository.text(path))
        elif path.endswith(".sh") or is_script(repository, path):
            names = names_in_shell(repository.text(path))
        else:
            continue
        for name, line in sorted(names.items(), key=lambda each: (each[1], each[0])):
            is_sentence = path.startswith("tests/") and name.startswith("test_")
            word = None if is_sentence else bad_word(name)
            if word is not None:
                violations.append(Violation(path, line, f"{name} uses the word {word}: {GLOSSARY} has a better one"))
    return violations


def _uses(text: str, bad_word: Callable[[str], str | None]) -> bool:
    """Return whether the code of a file has any bad name, given or only used: most files need no closer look."""
    return any(map(bad_word, set(_NAME.findall(_PROSE.sub(" ", text)))))


def _paths(repository: Repository, word_list: WordList) -> Iterator[Violation]:
    for path in repository.files:
        if path.endswith((".py", ".js")):
            *folders, file = path.split("/")
            names = [*folders, *([] if file.startswith("test_") else [file.rpartition(".")[0]])]
            word = file if file in word_list.files else next(filter(None, map(word_list.bad_word, names)), None)
            if word is not None:
                yield Violation(path, 1, f"the path uses the word {word}: {GLOSSARY} has a better one")


def _first_column(text: str, heading: str) -> Iterator[str]:
    lines = iter(text.splitlines())
    for line in lines:
        if line.strip() == heading:
            break
    for line in lines:
        if line.startswith("#"):
            break
        if line.startswith("|"):
            yield from _CODE.findall(line.split("|")[1])


def _windows(components: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(len(components) - size + 1):
        yield components[start : start + size]


def _without(components: tuple[str, ...], phrase: tuple[str, ...]) -> tuple[str, ...]:
    """Return the components with a dash in place of each allowed phrase; a dash is never on the list."""
    for start, part in enumerate(_windows(components, len(phrase))):
        if part == phrase:
            return _without((*components[:start], "-", *components[start + len(phrase) :]), phrase)
    return components


if __name__ == "__main__":
    for _violation in check(Repository(Path.cwd())):
        print(_violation)
