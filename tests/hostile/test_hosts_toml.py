"""A hosts.toml in every state in which a file of the node may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerd_client.distribution.registries.hosts import parse_hosts
from containerd_client.distribution.values.errors import HostsConfigError
from tests.hostile.inputs import check_refusal, every

FILE = Path("/certs.d/q.io/hosts.toml")


@every("hosts-toml")
def test_hosts_toml(given):
    """It is read as containerd reads it, or refused with the file and the key."""
    text = given.data.decode()
    if not given.accepted:
        with pytest.raises(HostsConfigError) as caught:
            parse_hosts(text, "q.io", FILE)
        check_refusal(given, caught.value)
        assert str(FILE) in str(caught.value)
        return
    hosts = parse_hosts(text, "q.io", FILE)
    result = {
        "bases": [host.base for host in hosts],
        "headers": [name for host in hosts for name, _ in host.headers],
        "dial_timeout": hosts[-1].dial_timeout,
    }
    assert {name: result[name] for name in given.expectation} == given.expectation
