"""Who is asked next, and who is passed over for how long."""

from __future__ import annotations

import pytest

from containerd_client.distribution.registries.host_health import LONGEST, REMEMBERED, HostHealth, Rotation
from containerd_client.distribution.registries.hosts import Host

ONE, TWO, LAST = (Host(f"http://{name}/v2", mirror=name != "last") for name in ("one", "two", "last"))
HOSTS = (ONE, TWO, LAST)


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def health(clock):
    return HostHealth(lambda: clock[0])


def order(rotation, number):
    return [rotation.next() for _ in range(number)]


def test_round_and_round(health):
    """In the order of the file, and again."""
    rotation = Rotation(HOSTS, health, set())
    assert order(rotation, 3) == [ONE, TWO, LAST]
    assert rotation.exhausted
    assert order(rotation, 3) == [ONE, TWO, LAST]


def test_a_failed_host_is_passed_over_for_a_while(health, clock):
    """By all pulls for half a minute, and for longer if it asks for it; by the same pull until its end."""
    health.failed(ONE)
    assert order(Rotation(HOSTS, health, set()), 2) == [TWO, LAST]
    clock[0] = REMEMBERED
    assert order(Rotation(HOSTS, health, set()), 1) == [ONE]
    assert order(Rotation(HOSTS, health, {ONE.base}), 1) == [TWO]
    health.failed(ONE, 100)
    clock[0] += 99
    assert order(Rotation(HOSTS, health, set()), 1) == [TWO]
    health.answered(ONE)
    assert order(Rotation(HOSTS, health, set()), 1) == [ONE]
    health.failed(ONE, 1e12)
    clock[0] += LONGEST
    assert not health.failing(ONE)


def test_the_last_host_is_never_passed_over(health):
    """Nor is the only one."""
    health.failed(LAST)
    assert order(Rotation((LAST,), health, {LAST.base}), 2) == [LAST, LAST]
    assert order(Rotation(HOSTS, health, {LAST.base}), 3) == [ONE, TWO, LAST]


def test_who_is_passed_over_is_asked_in_the_end(health):
    """When no other host has the thing: nothing that could be had is given up for a mirror's bad minute."""
    health.failed(ONE)
    rotation = Rotation((ONE, LAST), health, set())
    assert rotation.next() == LAST
    assert not rotation.more
    assert not rotation.exhausted
    rotation.refused(LAST)
    assert rotation.next() == ONE
    assert rotation.exhausted


def test_a_host_that_fails_in_the_middle(health):
    """The next one is asked at once; one that gave something is stayed with."""
    rotation = Rotation(HOSTS, health, set())
    assert rotation.next() == ONE
    health.failed(ONE)
    assert rotation.more
    assert rotation.next() == TWO
    rotation.prefer(TWO)
    assert rotation.next() == TWO
    assert rotation.next() == LAST
    assert not rotation.more


def test_what_is_remembered_is_bounded(health, clock):
    """What is over is forgotten when the next is noted."""
    for number in range(100):
        health.failed(Host(f"http://{number}/v2"))
        clock[0] += 10
    assert len(health._until) <= 4


def test_one_server_as_mirror_and_as_server(health):
    """Both are asked, and the second is waited for."""
    twice = (Host("http://one/v2", mirror=True), Host("http://one/v2"))
    rotation = Rotation(twice, health, {"http://one/v2"})
    health.failed(twice[0])
    first = rotation.next()
    rotation.refused(first)
    assert rotation.is_last(first)
    assert not rotation.exhausted
    assert rotation.next() == twice[0]
    assert rotation.exhausted
