"""Write the manual: a page for the program, and one for each command, from the same texts as ``--help``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lab.packaging.roff import bold, escaped, italic, literal, prose, title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.completion.parser_tree import Command, Option

CONFIG_PAGE: Final = "cri-shim-config.5"
_EXIT_STATUS: Final = (
    ("0", "success"),
    ("1", "failure"),
    ("2", "wrong usage"),
)


def manual(program: Command, version: str, date: str) -> dict[str, str]:
    """Return the pages by the names of their files."""
    commands = {f"{'-'.join(command.words)}.1": command for command in program.commands}
    front = f"{program.name}.1"
    pages = {front: [*_head(program, program.description, version, date), *_program(program)]}
    for name, command in commands.items():
        pages[name] = [*_head(command, command.help, version, date), *_command(command)]
    every = [front, *sorted(commands), CONFIG_PAGE]
    return {name: "\n".join([*lines, *_see_also(name, every)]) + "\n" for name, lines in pages.items()}


def _head(command: Command, purpose: str, version: str, date: str) -> Iterator[str]:
    name = "-".join(command.words)
    yield title(name, 1, date, version)
    yield ".SH NAME"
    yield f"{escaped(name)} \\- {prose(purpose.rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield from literal(command.usage)


def _program(program: Command) -> Iterator[str]:
    yield ".SH DESCRIPTION"
    yield prose(program.description)
    yield ".SH COMMANDS"
    for command in program.commands:
        yield ".TP"
        yield bold(command.words[-1])
        yield prose(command.help)
    yield ".SH OPTIONS"
    yield from _options(program)
    yield ".SH EXIT STATUS"
    for code, meaning in _EXIT_STATUS:
        yield ".TP"
        yield bold(code)
        yield meaning
    yield ".SH FILES"
    yield ".TP"
    yield italic("/etc/cri-shim/config.toml")
    yield "the configuration, see"
    yield ".BR cri\\-shim\\-config (5)"


def _command(command: Command) -> Iterator[str]:
    yield ".SH DESCRIPTION"
    yield prose(command.description or f"{command.help[:1].upper()}{command.help[1:]}.")
    yield ".SH OPTIONS"
    yield from _options(command)
    if command.commands:
        yield ".SH COMMANDS"
    for below in command.commands:
        yield f".SS {escaped(below.name)}"
        yield from literal(below.usage)
        yield ".PP"
        yield prose(below.description or f"{below.help[:1].upper()}{below.help[1:]}.")
        yield from _options(below)


def _options(command: Command) -> Iterator[str]:
    for argument in command.arguments:
        yield ".TP"
        yield italic(argument.value.name)
        yield prose(argument.help) if argument.help else "(required)"
    for option in command.options:
        yield ".TP"
        yield _flags(option)
        yield prose(option.help)


def _flags(option: Option) -> str:
    value = "" if option.value is None else f" {italic(option.value.name)}"
    return ", ".join(f"{bold(flag)}{value}" for flag in option.flags)


def _see_also(name: str, every: list[str]) -> Iterator[str]:
    yield ".SH SEE ALSO"
    others = [other.rsplit(".", 1) for other in every if other != name]
    for index, (page, section) in enumerate(others):
        comma = "," if index < len(others) - 1 else ""
        yield f".BR {escaped(page)} ({section}){comma}"
