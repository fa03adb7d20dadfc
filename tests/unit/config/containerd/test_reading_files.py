"""Files that are no configuration of containerd's, or import what is not there."""

from __future__ import annotations

import os

import pytest

from cri_shim.config import ConfigError, default_toml
from cri_shim.config.containerd.files import LARGEST, MOST_FILES, read_files


def names(path) -> list[str]:
    return [os.path.relpath(file.name, path.parent) for file in read_files(path)]


def test_imports_are_read_in_the_order_of_containerd(tmp_path):
    """Breadth first; relative to the file that names them; a star matches in the order of names, hidden files too."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "main.toml").write_text('imports = ["conf.d/*.toml", "last.toml", "none/*.toml"]')
    (tmp_path / "conf.d" / "b.toml").write_text('imports = ["deeper.inc"]')
    (tmp_path / "conf.d" / "a.toml").write_text("")
    (tmp_path / "conf.d" / ".hidden.toml").write_text("")
    (tmp_path / "conf.d" / "deeper.inc").write_text("")
    (tmp_path / "last.toml").write_text(f'imports = ["{tmp_path}/conf.d/a.toml", "./main.toml"]')
    assert names(tmp_path / "main.toml") == [
        "main.toml", "conf.d/.hidden.toml", "conf.d/a.toml", "conf.d/b.toml", "last.toml", "conf.d/deeper.inc",
    ]  # fmt: skip


def test_a_circle_of_imports_ends(tmp_path):
    """Each file is read once."""
    (tmp_path / "a.toml").write_text('imports = ["b.toml", "a.toml"]')
    (tmp_path / "b.toml").write_text('imports = ["a.toml"]')
    assert names(tmp_path / "a.toml") == ["a.toml", "b.toml"]


def test_a_circle_through_a_link_ends(tmp_path):
    """Each round has another name, so only the kernel's limit of links ends it."""
    (tmp_path / "sub").symlink_to(".")
    (tmp_path / "a.toml").write_text('imports = ["sub/a.toml"]')
    with pytest.raises(ConfigError, match="Too many levels of symbolic links"):
        read_files(tmp_path / "a.toml")


def test_a_chain_of_imports_is_bounded(tmp_path):
    """No configuration of a node has as many files."""
    for number in range(MOST_FILES + 1):
        (tmp_path / f"{number}.toml").write_text(f'imports = ["{number + 1}.toml"]')
    with pytest.raises(ConfigError, match=f"more than {MOST_FILES} files are imported"):
        read_files(tmp_path / "0.toml")


def test_the_name_of_an_import_is_cleaned_before_it_is_shown(tmp_path):
    """A file cannot paint the terminal of the administrator."""
    (tmp_path / "a.toml").write_text('imports = ["\\u001b[31mred"]')
    with pytest.raises(ConfigError) as caught:
        read_files(tmp_path / "a.toml")
    assert "\x1b" not in str(caught.value)
    assert "file not found" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version = ", r"c.toml:1: invalid value"),
        (b"a = 1\n\xff", r"c.toml:2: not UTF-8"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"[" + b".".join([b"a"] * 1200) + b"]", "nested too deeply"),
        (b"#" * (LARGEST + 1), "is larger than"),
        (b"version = '2'", "is not a version"),
        (b"version = true", "is not a version"),
        (b"imports = 'x'", r"c.toml:1: imports: must be a list of strings"),
        (b"\nimports = [1]", r"c.toml:2: imports: must be a list of strings"),
        (b'imports = ["\\u0000"]', "NUL"),
        (b'imports = ["gone.toml"]', r"gone.toml: file not found, which .*c.toml imports"),
        (b'imports = ["."]', r"is a directory, which .*c.toml imports"),
        (default_toml().encode(), "this is a configuration of cri-shim, not one of containerd"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path, content, said):
    """One clear error, and never a traceback."""
    file = tmp_path / "c.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_files(file)


def test_a_path_that_is_no_file_is_said_to_be_none(tmp_path):
    """A directory, nothing, a pipe that nobody writes into, a device without an end, a file in a file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    for path, said in (
        (tmp_path, "is a directory"),
        (tmp_path / "none", "file not found"),
        (tmp_path / "pipe", "is not a regular file"),
        ("/dev/zero", "is not a regular file"),
        (tmp_path / "file" / "x", "cannot be read: Not a directory"),
    ):
        with pytest.raises(ConfigError, match=said):
            read_files(tmp_path / path)
