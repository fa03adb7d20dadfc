"""Two comparisons never share an endpoint."""

from __future__ import annotations

import pytest

from cri_shim.bench.one_at_a_time import alone_with


def test_an_endpoint_is_held_until_the_block_ends():
    """Others may be used meanwhile."""
    with alone_with("unix:///a.sock"):
        with pytest.raises(ValueError, match="another comparison uses"), alone_with("unix:///a.sock"):
            pytest.fail("it was held twice")
        with alone_with("unix:///b.sock"):
            pass
    with alone_with("unix:///a.sock"):
        pass
