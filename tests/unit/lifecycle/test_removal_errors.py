"""A removal that the node or containerd refuses: the error says what stays, what is in the way, and what to do."""

from __future__ import annotations

import errno

import pytest

from containerd_client.errors import (
    ClientClosed,
    ContainerdError,
    DeadlineExceeded,
    InvalidArgument,
    Unavailable,
    Unknown,
)
from cri_shim.errors import CriError
from cri_shim.lifecycle.removal_errors import removal_of

DELETE = "containerd.services.containers.v1.Containers/Delete"


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "RESOURCE_EXHAUSTED"), (errno.EBUSY, None)])
def test_a_path_in_the_way(number: int, code: str | None) -> None:
    """The error keeps its code, and names both."""
    with pytest.raises(CriError, match=r"^container c1 cannot be removed: ") as refused, removal_of("container c1"):
        raise OSError(number, "No", "/var/lib/volume")
    assert "/var/lib/volume" in str(refused.value)
    assert code in {None, refused.value.code.name}


@pytest.mark.parametrize(
    ("error", "code", "remedy"),
    [
        (Unknown(DELETE, "the database is locked"), "UNKNOWN", "fix what it names and remove it again"),
        (Unknown(DELETE, "write meta.db: no space left on device"), "RESOURCE_EXHAUSTED", "free space"),
        (Unavailable(DELETE, "connection refused"), "UNAVAILABLE", "remove it again when containerd is back"),
        (DeadlineExceeded(DELETE, "Deadline Exceeded"), "DEADLINE_EXCEEDED", "remove it again later"),
        (InvalidArgument(DELETE, "snapshotter not loaded: zfs"), "FAILED_PRECONDITION", "no snapshotter 'zfs'"),
    ],
)
def test_a_step_that_containerd_refuses(error: ContainerdError, code: str, remedy: str) -> None:
    """The error names what stays, says what containerd said and what to do, and has the code of its cause."""
    with pytest.raises(CriError, match=r"^container c1 cannot be removed: ") as refused, removal_of("container c1"):
        raise error
    assert (refused.value.code.name, error.detail.split(": ")[0].split()[0] in str(refused.value)) == (code, True)
    assert remedy in str(refused.value)


def test_a_daemon_that_stops() -> None:
    """The end of its own client is not taken for a refusal of containerd's."""
    with pytest.raises(ClientClosed), removal_of("container c1"):
        raise ClientClosed(DELETE, "the client is closed")


def test_other_errors() -> None:
    """They pass as they are, and so does a removal that works."""
    with pytest.raises(ValueError, match=r"^other$"), removal_of("container c1"):
        raise ValueError("other")
    with removal_of("container c1"):
        pass
