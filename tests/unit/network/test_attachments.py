"""Which attachments of a sandbox have to be undone, and what is known of them, by its result and the cache."""

from __future__ import annotations

from typing import Any

import pytest

from cri_shim.network import PodNetwork
from cri_shim.network.attachments import owed_attachments
from cri_shim.network.cache import Cached
from cri_shim.network.conflist import parse_conflist

RESULT = {"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]}
SOURCE = b'{"name":"n","plugins":[{"type":"x"}]}'
STORED: dict[str, Any] = {"Interfaces": {"eth0": {"IPConfigs": [{"IP": "10.0.0.2"}, None, {"IP": 7}]}, "eth1": []}}


@pytest.mark.parametrize("netns", ["/ns", ""])
def test_a_record_that_is_lost(netns):
    """A namespace that exists shows that there was one: a repeated removal finds neither."""
    pod = PodNetwork("ID", "p", "ns", "uid", netns)
    [(entry, each)] = owed_attachments(pod, [], [parse_conflist(SOURCE)], netns, STORED)
    assert (entry, each.lost, each.addresses, each.succeeded) == (None, bool(netns), ("10.0.0.2",), True)
    [(_, each)] = owed_attachments(pod, [], [parse_conflist(SOURCE)], netns, None)
    assert (each.lost, each.succeeded) == (False, False)


def test_a_record_of_a_failure_of_a_pod_that_succeeded():
    """All of its plugins ran, whatever the damaged record says."""
    pod = PodNetwork("ID", "p", "ns", "uid", "/ns")
    for stored, entry in (
        (STORED, Cached("n", "ID", "eth0", source=SOURCE, begun=0)),
        (None, Cached("n", "ID", "eth0", source=SOURCE, begun=0, result=RESULT)),
    ):
        [(_, each)] = owed_attachments(pod, [entry], [], "/ns", stored)
        assert each.begun is None
    [(_, each)] = owed_attachments(pod, [Cached("n", "ID", "eth0", source=SOURCE, begun=0)], [], "/ns", None)
    assert each.begun == 0
