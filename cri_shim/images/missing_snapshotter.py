"""The error for a snapshotter that containerd does not have; containerd itself calls it an invalid argument."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from containerd_client.errors import InvalidArgument
from cri_shim.errors import FailedPreconditionError
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from containerd_client import ContainerdError

_NOT_LOADED = "snapshotter not loaded: "


@contextmanager
def snapshotter_loaded(what: str) -> Iterator[None]:
    """Turn that error into a FailedPreconditionError; ``what`` ("pull image X") names what failed."""
    try:
        yield
    except InvalidArgument as error:
        missing = missing_snapshotter(error)
        if missing is None:
            raise
        raise FailedPreconditionError(f"{what}: {missing}") from error


def missing_snapshotter(error: ContainerdError) -> FailedPreconditionError | None:
    """Return the error to answer with if this is that error, else None."""
    _, separator, name = error.detail.partition(_NOT_LOADED)
    if not separator or not isinstance(error, InvalidArgument):
        return None
    return FailedPreconditionError(
        f"containerd has no snapshotter '{escaped(name.partition(':')[0])}'; Status lists those that it has"
    )
