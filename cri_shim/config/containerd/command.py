"""The command ``cri-shim config import``: containerd's configuration in, one for this daemon out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cri_shim.config.containerd.files import read_files, require_known_version
from cri_shim.config.containerd.key_case import spell_usually
from cri_shim.config.containerd.merge import merge
from cri_shim.config.containerd.notes import Why, note_lines
from cri_shim.config.containerd.render import render
from cri_shim.config.containerd.translate import translate
from cri_shim.config.errors import ConfigError
from cri_shim.config.toml_file import parse

if TYPE_CHECKING:
    import argparse

    from cri_shim.config.containerd.files import File
    from cri_shim.config.containerd.translate import Translation


def run(options: argparse.Namespace) -> int:
    """Print the configuration on standard output and what is not in it on standard error; return the exit code."""
    files = read_files(options.file, options.containerd or 2, options.root)
    require_known_version(files)
    line = options.containerd or (2 if _newest(files) > 2 else 1)
    if not options.containerd and line == 1:
        files = read_files(options.file, line, options.root)
    translation = _translation(files, line)
    result = render(translation, [file.name for file in files], everything=options.all)
    parse(result, "the result")  # a mistake of ours must not reach the file of an administrator
    sys.stdout.write(result)
    for each in [*note_lines(translation.notes, brief=options.quiet), *_two_lines(files, line, result, options)]:
        sys.stderr.write(f"{each}\n")
    sys.stderr.write(f"{_summary(translation)}\n")
    return 0


def _translation(files: list[File], line: int) -> Translation:
    merged = merge(files, line)
    spell_usually(merged.document, merged.origins, merged.version, line)
    return translate(merged)


def _newest(files: list[File]) -> int:
    return max(file.version for file in files)


def _two_lines(files: list[File], line: int, result: str, options: argparse.Namespace) -> list[str]:
    """Return a warning if the other line of containerd makes something else of the files."""
    if options.containerd or _newest(files) > 2:
        return []
    other = 3 - line
    try:
        files = read_files(options.file, other, options.root)
        if render(_translation(files, other), [file.name for file in files], everything=options.all) == result:
            return []
    except ConfigError:
        pass  # a mistake in a table that this line replaces; the other command says which
    why = "replaces a plugin's whole table by that of a later file, and {}.x merges the two"
    if len(files) == 1:
        why = "ignores some keys that are spelled in another case, and {}.x reads them"
    return [
        f"containerd {line}.x {why.format(other)};",
        f"this is the result for {line}.x, and `--containerd {other}` prints that for {other}.x",
    ]


def _summary(translation: Translation) -> str:
    differ, lost = len(translation.changes()), sum(note.why is Why.LOST for note in translation.notes)
    return (
        f"containerd's configuration (version {translation.version}): {_counted(differ)} from cri-shim's defaults and "
        f"{'is' if differ == 1 else 'are'} in the result, {lost} {'is' if lost == 1 else 'are'} not taken over"
    )


def _counted(number: int) -> str:
    return "1 setting differs" if number == 1 else f"{number} settings differ"
