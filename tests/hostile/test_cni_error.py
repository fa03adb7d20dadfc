"""What failing plugins print: always a sentence that a client can be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.kernel.process import Completed
from cri_shim.network.exec import plugin_error
from tests.hostile.inputs import check_refusal, every

if TYPE_CHECKING:
    from tests.hostile.inputs import Input


@every("cni-error")
def test_a_failure_is_a_sentence(given: Input) -> None:
    """It names the plugin and its command, can be encoded, and is bounded."""
    assert given.accepted
    error = plugin_error("p", "ADD", Completed(1, given.data, b"said on stderr"))
    check_refusal(given, error)
    assert str(error).startswith("cni plugin p failed (ADD): ")
