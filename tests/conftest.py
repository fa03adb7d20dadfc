"""Which tests need root and a node, and which share one event loop because they share a node."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import pytest_asyncio
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Literal

HERE = Path(__file__).parent
LOOPS: Final[Mapping[str, Literal["session", "module"]]] = {
    "conformance": "session",
    "integration/crictl": "session",
    "integration/daemon": "session",
    "integration/doctor": "session",
    "integration/explorer": "session",
    "integration/ledger": "session",
    "integration/streaming": "session",
    "integration/tracing": "module",
}
"""For how long the node of a folder's tests lives, and with it the loop that its clients belong to."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folders = {HERE / name: scope for name, scope in LOOPS.items()}
    of_path = {
        path: next((folders[each] for each in path.parents if each in folders), None)
        for path in {item.path for item in items}
    }
    for item in items:
        scope = of_path[item.path]
        if scope is not None:
            item.add_marker(pytest.mark.root)
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope=scope), append=False)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from what the modules hold, which makes every full collection of a test cheap."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    """Leave structlog and logging as the next test expects them.

    A command that sets up its log, as `cri-shim wipe` does, would send what the next test logs to its own standard
    error, which is gone by then.
    """
    root = logging.getLogger()
    handlers, level, settings = root.handlers[:], root.level, structlog.get_config()
    yield
    structlog.configure(**settings)
    structlog.contextvars.clear_contextvars()
    root.handlers[:], root.level = handlers, level


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name binary parameters by their argument.

    Compressed data contain the time of day, and pytest-xdist needs the same names in every process.
    """
    return argname if isinstance(val, bytes) and not (val.isascii() and val.decode("ascii").isprintable()) else None
