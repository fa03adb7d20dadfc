"""A test that sets up the log, as a command does, does not change it for the next one."""

from __future__ import annotations

import io
import logging

import structlog

from cri_shim.daemon import logging_setup

SETTINGS = structlog.get_config()
OUT = io.StringIO()


def test_one_sets_it_up():
    """Everything is written to its stream from now on."""
    structlog.contextvars.bind_contextvars(rpc="Version")
    logging_setup.configure("error", "json", stream=OUT)
    structlog.get_logger().error("test.first")
    assert "test.first" in OUT.getvalue()


def test_the_next_one_has_it_as_it_was(capsys):
    """Whichever test ran before, and whatever it did."""
    structlog.get_logger().error("test.second")
    assert "test.second" in capsys.readouterr().out
    assert "test.second" not in OUT.getvalue()
    assert structlog.get_config()["wrapper_class"] is SETTINGS["wrapper_class"]
    assert structlog.contextvars.get_contextvars() == {}
    assert not any(type(handler).__module__ == logging_setup.__name__ for handler in logging.getLogger().handlers)
