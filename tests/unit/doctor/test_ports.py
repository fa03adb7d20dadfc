"""Ports that the daemon is to listen on, and who has them."""

from __future__ import annotations

import contextlib
import os
import socket

import pytest

from cri_shim.doctor.checks.ports import Port, User, judge_ports, listening, ports_of, read_users
from cri_shim.doctor.facts.place import Place
from tests.unit.doctor.node_tree import config_of, findings, plant, reported

PLACE = Place()
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(address, state="0A", inode=77):
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0\n"


def test_configured_ports():
    streaming = '[stream]\nstream_server_address = "::1"\nstream_server_port = "10010"\n'
    assert ports_of(config_of()) == [Port("http.address", "127.0.0.1", 9735)]
    assert ports_of(config_of(f'{streaming}[http]\naddress = ""\n')) == [
        Port("stream.stream_server_port", "::1", 10010)
    ]
    assert ports_of(config_of('[http]\naddress = "unix:///run/x.sock"\n')) == []
    assert ports_of(config_of('[http]\naddress = "[::1]:80"\n')) == [Port("http.address", "::1", 80)]


@pytest.mark.parametrize(
    ("address", "clashes"),
    [
        ("0100007F:2607", True),
        ("00000000:2607", True),
        ("00000000000000000000000000000000:2607", True),
        ("0200007F:2607", False),
        ("00000000000000000000000001000000:2607", False),
        ("0000000000000000FFFF00000100007F:2607", True),
        ("0100007F:2608", False),
    ],
)
def test_addresses_that_clash(tmp_path, address, clashes):
    table = "net/tcp6" if len(address) > 20 else "net/tcp"
    place = plant(tmp_path, {f"proc/{table}": HEADER + row(address), "proc/version": ""})
    assert bool(read_users([Port("http.address", "127.0.0.1", 9735)], place)) == clashes


@pytest.mark.parametrize(
    ("address", "clashes"), [("0100007F:2607", False), ("00000000000000000000000001000000:2607", True)]
)
def test_an_address_of_ipv6_clashes_only_with_itself(tmp_path, address, clashes):
    table = "net/tcp6" if len(address) > 20 else "net/tcp"
    place = plant(tmp_path, {f"proc/{table}": HEADER + row(address), "proc/version": ""})
    assert bool(read_users([Port("http.address", "::1", 9735)], place)) == clashes


def test_connections_do_not_listen():
    assert listening(HEADER + row("0100007F:2607", "01") + "cut\n") == []


@contextlib.contextmanager
def listener():
    with contextlib.closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f'[http]\naddress = "127.0.0.1:{server.getsockname()[1]}"\n'


def test_a_port_of_another_program():
    with listener() as text:
        outcomes = list(judge_ports(read_users(ports_of(config_of(text)), PLACE), set(), PLACE))
    assert reported(outcomes) == {"port-in-use": "error"}
    assert f"by process {os.getpid()}" in findings(outcomes)[0].what


def test_a_port_of_the_daemon_is_fine():
    with listener() as text:
        assert reported(judge_ports(read_users(ports_of(config_of(text)), PLACE), {9, os.getpid()}, PLACE)) == {}


def test_a_free_port_is_fine():
    with listener() as text:
        pass
    assert reported(judge_ports(read_users(ports_of(config_of(text)), PLACE), set(), PLACE)) == {}


def test_a_port_of_a_program_that_cannot_be_seen():
    user = User(Port("http.address", "127.0.0.1", 9735), 0)
    assert reported(judge_ports([user], set(), Place(uid=1))) == {"port-in-use": "unknown"}
    assert reported(judge_ports([user], {9}, PLACE)) == {"port-in-use": "unknown"}
    assert reported(judge_ports([user], set(), PLACE)) == {"port-in-use": "error"}
