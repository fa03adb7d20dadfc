"""The formats of cgroup and /proc files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.stats import parse
from cri_shim.stats.values import DeviceIo, Pressure, Stall

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=20)
COUNTERS = st.integers(0, 2**64 - 1)


@given(st.dictionaries(NAMES, COUNTERS))
def test_pairs_are_read_back(wanted):
    """Whatever names and numbers a kernel writes, they come back."""
    text = "".join(f"{name} {value}\n" for name, value in wanted.items()).encode()
    assert parse.pairs(text) == {name.encode(): value for name, value in wanted.items()}


@pytest.mark.parametrize("text", [b"one", b"one two", b"one 1\ntwo", b"one 1 2\nthree 3\n"])
def test_what_are_no_pairs(text):
    """A file of another form is a ValueError, which readers take for "not there"."""
    with pytest.raises(ValueError, match=r".+"):
        parse.pairs(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"max\n", None),
        (b"9223372036854771712\n", None),
        (b"-1\n", None),
        (b"67108864\n", 67108864),
        (b"0\n", 0),
    ],
)
def test_limits(text, wanted):
    """Both versions' ways to say "no limit" are None."""
    assert parse.limit(text) == wanted


@given(st.integers(0, 10**12), st.floats(0, 100).map(lambda value: round(value, 2)))
def test_pressure_in_nanoseconds(total, share):
    """Totals are microseconds in the file and nanoseconds here; shares stay percents."""
    line = f"avg10={share} avg60=0.00 avg300=100.00 total={total}"
    wanted = Stall(share, 0.0, 100.0, total * 1000)
    assert parse.pressure(f"some {line}\nfull {line}\n".encode()) == Pressure(wanted, wanted)


def test_pressure_of_the_cpu_on_old_kernels():
    """Before 5.13 there is no "full" line for the CPU."""
    assert parse.pressure(b"some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n").full is None


@pytest.mark.parametrize("text", [b"", b"full avg10=0 avg60=0 avg300=0 total=1", b"some avg10=1 total=3"])
def test_what_is_no_pressure(text):
    """A line without all of its fields is a ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        parse.pressure(text)


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,10}[0-9]", fullmatch=True), COUNTERS, COUNTERS), unique_by=lambda t: t[0]
    )
)
def test_interfaces_are_read_back(wanted):
    """Names and counters come back in order, also where a large number touches the colon; lo is left out."""
    head = b"Inter-|   Receive\n face |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
    lines = "".join(f"{name:>6}:{rx} 2 3 4 0 0 0 0 {tx} 6 7 8 0 0 0 0\n" for name, rx, tx in wanted)
    interfaces = parse.interfaces(head + lines.encode())
    assert [(one.name, one.rx_bytes, one.tx_bytes) for one in interfaces] == wanted
    assert all((one.rx_packets, one.rx_errors, one.rx_dropped) == (2, 3, 4) for one in interfaces)
    assert all((one.tx_packets, one.tx_errors, one.tx_dropped) == (6, 7, 8) for one in interfaces)


def test_devices_of_version_2():
    """A device that did nothing yet stands there alone; the others have sizes and counts."""
    text = b"7:0 \n254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n"
    assert parse.device_io_v2(text) == (DeviceIo(254, 0, "Read", 10, 1), DeviceIo(254, 0, "Write", 20, 2))


def test_devices_of_version_1():
    """Totals and other operations are left out; a device that is in one file only has no count."""
    sizes = b"254:0 Read 10\n254:0 Write 20\n254:0 Sync 30\n8:1 Read 5\nTotal 35\n"
    counts = b"254:0 Read 1\n254:0 Write 2\nTotal 3\n"
    assert parse.device_io_v1(sizes, counts) == (
        DeviceIo(254, 0, "Read", 10, 1),
        DeviceIo(254, 0, "Write", 20, 2),
        DeviceIo(8, 1, "Read", 5, 0),
    )


@given(st.integers(2, 262144))
def test_shares_survive_the_way_over_weights(shares):
    """The weight that runc makes of shares gives shares back that are off by no more than one weight's step."""
    weight = 1 + ((shares - 2) * 9999) // 262142
    assert 0 <= shares - parse.shares_of_weight(weight) <= 27


def test_the_quota_of_version_2():
    """ "max" is no quota."""
    assert parse.cpu_max(b"max 100000\n") == (0, 100000)
    assert parse.cpu_max(b"30000 100000\n") == (30000, 100000)


def test_an_interface_whose_name_is_no_text():
    """A pod may name its interface in any bytes; the others are read all the same."""
    lines = b"x\ny\n  f\xfcr: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n  eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"
    assert [one.name for one in parse.interfaces(lines)] == ["f\N{REPLACEMENT CHARACTER}r", "eth0"]


BEYOND = [(b"-1", 0), (b"18446744073709551616", 2**64 - 1), (b"9" * 100, 2**64 - 1)]


@pytest.mark.parametrize(("word", "bounded"), BEYOND)
def test_numbers_beyond_64_bits(word, bounded):
    """A counter that runs backwards or over is bounded, and the numbers beside it stay."""
    assert parse.number(word + b"\n") == bounded
    assert parse.pairs(b"total_rss " + word + b"\nother 5\n") == {b"total_rss": bounded, b"other": 5}
    row = b"a: " + b" ".join([word] * 16)
    (interface,) = parse.interfaces(b"one\ntwo\n" + row)
    assert (interface.rx_bytes, interface.tx_dropped) == (bounded, bounded)
    assert parse.device_io_v2(b"8:0 rbytes=" + word + b" wbytes=1 rios=1 wios=1\n")[0].bytes == bounded
    assert parse.device_io_v1(b"8:0 Read " + word + b"\n", b"8:0 Read 1\n")[0].bytes == bounded
    assert parse.pressure(b"some avg10=0 avg60=0 avg300=0 total=" + word).some.total_ns == bounded
