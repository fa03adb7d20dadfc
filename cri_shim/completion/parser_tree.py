"""Read an argument parser into plain values: its commands with their options and arguments.

argparse has no public way to ask a parser what it accepts, so this one file reads its private attributes. The texts are
those that ``--help`` prints.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["word", "file", "directory"]
"""What a value is: a word that only the user knows, or the name of a file or a directory."""

USAGE_WIDTH: Final = 72
_FILE: Final = re.compile(r"\b(?:FILE|PATH)\b")
_FIXED: Final = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)


class Value(Struct, frozen=True):
    """A value that an option or a command takes; ``name`` is how ``--help`` shows it."""

    name: str
    kind: Kind = "word"
    words: tuple[str, ...] = ()
    """The values that are accepted, or of free text those that its name proposes."""


class Option(Struct, frozen=True):
    """An option; without a value, it is a switch."""

    flags: tuple[str, ...]
    help: str
    value: Value | None = None
    repeated: bool = False
    ends: bool = False
    """Whether nothing else is done with it, as with ``--help``."""


class Argument(Struct, frozen=True):
    """A value without a flag."""

    value: Value
    help: str
    many: bool = False


class Command(Struct, frozen=True):
    """A command: the words that call it, what it takes, and the commands below it."""

    words: tuple[str, ...]
    help: str
    """The line that the list of commands has about it; empty for the program itself."""
    description: str
    usage: str
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    commands: tuple[Command, ...] = ()

    @property
    def name(self) -> str:
        """The words in one string, such as ``cri-shim config check``."""
        return " ".join(self.words)

    @property
    def below(self) -> str:
        """The words after the program's name, each behind a blank: empty for the program itself."""
        return "".join(f" {word}" for word in self.words[1:])

    def walk(self) -> Iterator[Command]:
        """Yield this command and all that are below it."""
        yield self
        for command in self.commands:
            yield from command.walk()


def read_parser(parser: argparse.ArgumentParser, help_line: str = "") -> Command:
    """Return what a parser accepts; ``help_line`` is what the parser above it says of it."""
    options: list[Option] = []
    arguments: list[Argument] = []
    commands: list[Command] = []
    formatter = argparse.HelpFormatter(parser.prog, width=USAGE_WIDTH)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")  # noqa: SLF001
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            lines = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
            commands += [read_parser(below, lines.get(name, "")) for name, below in action.choices.items()]
        elif action.help == argparse.SUPPRESS:
            continue
        elif action.option_strings:
            options.append(_option(action, _help(parser, action)))
        else:
            many = action.nargs in {"*", "+"}
            arguments.append(Argument(_value(action), _help(parser, action), many))
    return Command(
        words=tuple(parser.prog.split()),
        help=help_line,
        description=parser.description or "",
        usage=formatter.format_help().strip(),
        options=tuple(options),
        arguments=tuple(arguments),
        commands=tuple(commands),
    )


def _option(action: argparse.Action, text: str) -> Option:
    repeated = isinstance(action, argparse._AppendAction)  # noqa: SLF001 - and _ExtendAction, which is one
    ends = isinstance(action, argparse._HelpAction | argparse._VersionAction)  # noqa: SLF001
    value = None if action.nargs == 0 else _value(action)
    return Option(tuple(action.option_strings), text, value, repeated, ends)


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return the help of an option with its placeholders filled in."""
    return parser._get_formatter()._expand_help(action) if action.help else ""  # noqa: SLF001


def _value(action: argparse.Action) -> Value:
    choices = tuple(map(str, action.choices or ()))
    if isinstance(action.metavar, str):
        name = action.metavar
    else:
        name = f"{{{','.join(choices)}}}" if choices else action.dest.upper()
    return Value(name, _kind(action, name), choices or _proposed(name))


def _kind(action: argparse.Action, name: str) -> Kind:
    if name == "DIR":
        return "directory"
    return "file" if action.type is Path or _FILE.match(name) else "word"


def _proposed(name: str) -> tuple[str, ...]:
    """Return the words that a name such as ``show ID | calibrate`` proposes."""
    first = [alternative.strip().partition(" ")[0] for alternative in name.split("|")]
    return tuple(word for word in first if _FIXED.fullmatch(word)) if len(first) > 1 else ()
