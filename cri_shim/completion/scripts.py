"""Find the writer of a shell's script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cri_shim.completion.bash import bash_completion
from cri_shim.completion.fish import fish_completion
from cri_shim.completion.parser_tree import read_parser
from cri_shim.completion.zsh import zsh_completion

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from cri_shim.completion.parser_tree import Command

_WRITERS: Final[Mapping[str, Callable[[Command], str]]] = {
    "bash": bash_completion,
    "zsh": zsh_completion,
    "fish": fish_completion,
}


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """Return the script that completes a parser's program in a shell."""
    return _WRITERS[shell](read_parser(parser))
