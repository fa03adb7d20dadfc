"""Network configurations that others wrote: read as libcni reads them, refused in words, one file at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.network.conflist import ConfError, load_directory, parse_conflist
from tests.hostile.inputs import check_refusal, every

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.inputs import Input

GOOD = b'{"name":"good","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]}'


@every("cni-conflist")
def test_a_file_is_read_or_refused(given: Input, tmp_path: Path) -> None:
    """A broken one is named, and does not hide the good one that comes after it."""
    try:
        network = parse_conflist(given.data)
    except ConfError as error:
        assert not given.accepted, error
        check_refusal(given, error)
    else:
        assert given.accepted
        result = {
            "name": network.name,
            "types": [plugin.type for plugin in network.plugins],
            "capabilities": sorted(network.plugins[0].capabilities),
        }
        assert {key: result[key] for key in given.expectation} == given.expectation
    (tmp_path / "10-theirs.conflist").write_bytes(given.data)
    (tmp_path / "20-good.conflist").write_bytes(GOOD)
    loaded = load_directory(str(tmp_path), 2)
    assert [network.name for network in loaded.networks][-1] == "good"
    assert len(loaded.networks) == 1 + given.accepted
    assert all(len(problem) < 4096 and problem.encode() for problem in loaded.problems)
