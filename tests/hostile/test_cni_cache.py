"""Files in libcni's cache, by whatever wrote them: each says at least that there was an attachment, and can go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.network.cache import ResultCache
from tests.hostile.inputs import every

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.inputs import Input


@every("cni-cache")
def test_a_cached_attachment(given: Input, tmp_path: Path) -> None:
    """What cannot be used is left out; network and interface are those of the file's name."""
    results = tmp_path / "results"
    results.mkdir()
    (results / "n-abc-eth0").write_bytes(given.data)
    (results / "m-abc-eth1").write_text("")
    cache = ResultCache(str(tmp_path))
    other, *attachments = cache.find("abc")
    assert (other.network, other.ifname) == ("m", "eth1")
    assert len(attachments) == given.expectation["there"]
    for cached in attachments:
        assert (cached.network, cached.container_id, cached.ifname) == ("n", "abc", "eth0")
        addresses = [address["address"] for address in (cached.result or {}).get("ips", ())]
        assert addresses == ([given.expectation["address"]] if "address" in given.expectation else [])
        assert cached.source.decode() == given.expectation.get("config", "")
        assert len(cached.args) == given.expectation.get("args", 0)
        assert (cached.begun, cached.refusal) == (None, "")
    cache.forget(cache.find("abc"))
    assert len(list(results.iterdir())) == (0 if attachments else 1)
