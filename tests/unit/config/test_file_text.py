"""What a configuration is read from: files, pipes, and what has no end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cri_shim.config import ConfigError, file_text, load, parse


def test_a_pipe_is_read_to_its_end():
    """As in ``config import | config check /dev/stdin``."""
    reading, writing = os.pipe()
    os.write(writing, b"log_level = 'debug'\n")
    os.close(writing)
    try:
        assert load(f"/proc/self/fd/{reading}").log_level == "debug"
        with pytest.raises(ConfigError, match="a pipe into which nothing is written"):
            load(f"/proc/self/fd/{reading}")  # all has been read, which does not mean the defaults
    finally:
        os.close(reading)


def test_a_pipe_without_a_writer_does_not_hold_up_the_reader(tmp_path, monkeypatch):
    """A daemon that reads its file again goes on."""
    monkeypatch.setattr(file_text, "PATIENCE", 0.1)
    os.mkfifo(tmp_path / "config.toml")
    with pytest.raises(ConfigError, match="cannot be read: no end within"):
        load(tmp_path / "config.toml")


def test_a_source_without_an_end_is_refused():
    """Memory is limited whatever the path leads to."""
    with pytest.raises(ConfigError, match="is larger than 1048576 bytes"):
        load(Path("/dev/zero"))


def test_a_number_of_thousands_of_digits_is_named_by_its_line():
    """Python refuses to convert it, which is not an error of the daemon's."""
    with pytest.raises(ConfigError, match=r"f\.toml:2: a number has too many digits"):
        parse("\noom_score = " + "1" * 5000, "f.toml")
