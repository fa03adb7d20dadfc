"""A removal that the node refuses: the client is told what was to be removed and which path is in the way."""

from __future__ import annotations

import errno

import pytest

from cri_shim.errors import CriError
from cri_shim.lifecycle.removal_errors import removal_of


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "RESOURCE_EXHAUSTED"), (errno.EBUSY, None)])
def test_a_path_in_the_way(number: int, code: str | None) -> None:
    """The error keeps its code, and names both."""
    with pytest.raises(CriError, match=r"^container c1 cannot be removed: ") as refused, removal_of("container c1"):
        raise OSError(number, "No", "/var/lib/volume")
    assert "/var/lib/volume" in str(refused.value)
    assert code in {None, refused.value.code.name}


def test_other_errors() -> None:
    """They pass as they are, and so does a removal that works."""
    with pytest.raises(ValueError, match=r"^other$"), removal_of("container c1"):
        raise ValueError("other")
    with removal_of("container c1"):
        pass
