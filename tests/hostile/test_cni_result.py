"""What plugins print after an ADD: the addresses of a pod, or a failed ADD in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cri_shim.network.errors import NetworkError
from cri_shim.network.plugin_result import parse_result
from cri_shim.network.result import combine
from tests.hostile.inputs import check_refusal, every
from untrusted import DocumentError

if TYPE_CHECKING:
    from tests.hostile.inputs import Input


@every("cni-result")
def test_a_result_is_used_or_refused(given: Input) -> None:
    """What is used can be stored, handed on and read again as the same."""
    try:
        result = parse_result(given.data, "1.0.0")
        combined = combine([result], "/ns", "")
    except (DocumentError, NetworkError) as error:
        assert not given.accepted, error
        check_refusal(given, error)
        return
    assert given.accepted
    assert list(combined.ips) == given.expectation["ips"]
    assert parse_result(json.dumps(result).encode(), "1.0.0") == result
    json.dumps(combined.stored, ensure_ascii=False).encode()
    if "interface" in given.expectation:
        assert given.expectation["interface"] in combined.stored["Interfaces"]
    if "domain" in given.expectation:
        assert combined.stored["DNS"][1]["domain"] == given.expectation["domain"]
    if "routes" in given.expectation:
        assert len(combined.stored["Routes"] or ()) == given.expectation["routes"]
