"""The error for a snapshotter that containerd does not have; containerd itself calls it an invalid argument."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from containerd_client.errors import InvalidArgument
from cri_shim.errors import FailedPreconditionError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_LOADED = "snapshotter not loaded: "


@contextmanager
def snapshotter_loaded(what: str) -> Iterator[None]:
    """Turn that error into a FailedPreconditionError; ``what`` ("pull image X") names what failed."""
    try:
        yield
    except InvalidArgument as error:
        _, separator, name = error.detail.partition(_NOT_LOADED)
        if not separator:
            raise
        raise FailedPreconditionError(
            f"{what}: containerd has no snapshotter '{name.partition(':')[0]}'; Status lists those that it has"
        ) from error
