"""Read a TOML text into a Config, or report everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cri_shim.config.errors import ConfigError, Problem
from cri_shim.config.file_text import read_text
from cri_shim.config.lines import lines_of
from cri_shim.config.read import Reader, dotted
from cri_shim.config.schema import Config
from cri_shim.config.toml_document import parse_document

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PATH = Path("/etc/cri-shim/config.toml")


@dataclass(frozen=True, slots=True)
class Flag:
    """A setting from the command line, which wins over the file; ``key`` is the dotted name."""

    name: str
    key: str
    value: str | int | bool


def load(path: Path | str | None = None, *, flags: Sequence[Flag] = ()) -> Config:
    """Return the settings in ``path``, or without a path those in the default file, which may be missing.

    Raises ConfigError with every problem of the file and the flags.
    """
    wanted = Path(path) if path is not None else DEFAULT_PATH
    source = str(wanted.absolute())
    try:
        text = read_text(wanted)
    except FileNotFoundError:
        if path is not None:
            raise ConfigError([Problem(str(wanted), 0, "", "file not found")]) from None
        text, source = "", ""
    except OSError as error:
        problem = Problem(str(wanted), 0, "", f"cannot be read: {error.strerror}")
        raise ConfigError([problem], denied=isinstance(error, PermissionError)) from None
    return replace(parse(text, str(wanted), flags=flags), source=source)


def parse(text: str, name: str = "config.toml", *, flags: Sequence[Flag] = ()) -> Config:
    """Return the settings in ``text``; ``name`` comes before each line number in errors.

    Raises ConfigError with every problem of the text and the flags.
    """
    document = parse_document(text, name)
    sets_nothing = not _sets_any(document)
    # tomllib also turns CR LF into LF; counting only LF gives the line numbers of an editor.
    reader = Reader(name, lines_of(text))
    for flag in flags:
        *tables, last = flag.key.split(".")
        table: Any = document
        for each in tables:
            table = table.setdefault(each, {}) if isinstance(table, dict) else None
        if isinstance(table, dict):
            table[last] = flag.value
            reader.sources[(*tables, last)] = flag.name
    config = reader.section(Config, document, ())
    if not reader.problems:
        _check_across(config, document, reader)
    if reader.problems:
        raise ConfigError(reader.problems)
    return replace(config, sets_nothing=sets_nothing)


def _sets_any(table: dict[str, Any]) -> bool:
    return any(_sets_any(value) if isinstance(value, dict) else True for value in table.values())


def _check_across(config: Config, document: dict[str, Any], reader: Reader) -> None:
    """Report problems that several keys cause together."""
    default = config.containerd.default_runtime_name
    if default not in config.containerd.runtimes:
        known = ", ".join(sorted(config.containerd.runtimes))
        reader.report(
            ("containerd", "default_runtime_name"),
            f"{default!r} is not among the runtimes ({known}); add [{dotted(('containerd', 'runtimes', default))}]",
        )
    cni = document.get("cni", {})
    if cni.get("bin_dir") and "bin_dirs" in cni:
        reader.report(("cni", "bin_dirs"), "is set beside cni.bin_dir; keep one of the two")
    pair = config.stream.x509_key_pair_streaming
    if bool(pair.tls_cert_file) != bool(pair.tls_key_file):
        missing = "tls_key_file" if pair.tls_cert_file else "tls_cert_file"
        reader.report(("stream", "x509_key_pair_streaming", missing), "is missing; certificate and key go together")
    if config.root == config.state:
        reader.report(("state",), "is the same directory as root; files of both would mix")
