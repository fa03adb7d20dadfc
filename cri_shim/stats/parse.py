"""Parse the formats of cgroup and /proc files.

Pure. All functions raise ``ValueError`` for a text that does not have the format. Sources, in the kernel's
Documentation: admin-guide/cgroup-v1/{memory,cpuacct,blkio-controller}.rst, admin-guide/cgroup-v2.rst,
accounting/psi.rst, filesystems/proc.rst.
"""

from __future__ import annotations

from cri_shim.stats.values import DeviceIo, Interface, Pressure, Stall
from untrusted import decode_utf8

UNLIMITED = 1 << 62
"""cgroup v1 expresses "no limit" as a number near 2^63, rounded to pages; any number above this one means it."""

LARGEST = (1 << 64) - 1
"""The largest number that the CRI's messages can carry."""

_OPERATIONS = {b"Read": "Read", b"Write": "Write"}


def number(text: bytes) -> int:
    """Parse a file with one number; one beyond 64 bits becomes the nearest that a message can carry."""
    return bounded(int(text))


def bounded(value: int) -> int:
    """Return the nearest number that is a counter of 64 bits: drivers count backwards, and sums overflow."""
    return min(max(value, 0), LARGEST)


def limit(text: bytes) -> int | None:
    """Parse a file with one number or "max"; None means no limit, in the form of either version."""
    word = text.strip()
    if word == b"max":
        return None
    value = int(word)
    return None if value < 0 or value > UNLIMITED else value


def pairs(text: bytes) -> dict[bytes, int]:
    """Parse lines of a name and a number: memory.stat, cpu.stat, memory.events, memory.oom_control."""
    words = text.split()
    if len(words) % 2:
        raise ValueError(f"not lines of a name and a number: {text[:80]!r}")
    numbers = list(map(int, words[1::2]))
    if numbers and (min(numbers) < 0 or max(numbers) > LARGEST):
        numbers = list(map(bounded, numbers))
    return dict(zip(words[::2], numbers, strict=True))


def pressure(text: bytes) -> Pressure:
    """Parse a pressure file, whose totals are in microseconds.

    Kernels before 5.13 have no "full" line for the CPU.
    """
    stalls: dict[bytes, Stall] = {}
    for line in text.splitlines():
        kind, *fields = line.split()
        values = dict(field.split(b"=", 1) for field in fields)
        try:
            total_ns = bounded(int(values[b"total"]) * 1000)
            stalls[kind] = Stall(float(values[b"avg10"]), float(values[b"avg60"]), float(values[b"avg300"]), total_ns)
        except KeyError as error:
            raise ValueError(f"pressure line {line!r} lacks {error}") from error
    if b"some" not in stalls:
        raise ValueError(f"not a pressure file: {text[:80]!r}")
    return Pressure(stalls[b"some"], stalls.get(b"full"))


def interfaces(text: bytes) -> tuple[Interface, ...]:
    """Return the interfaces of /proc/PID/net/dev except ``lo``, in the kernel's order."""
    interfaces_read = []
    for line in text.splitlines()[2:]:
        name, colon, rest = line.partition(b":")
        words = rest.split()
        if not colon or len(words) < 16:
            raise ValueError(f"not a line of net/dev: {line!r}")
        if name.strip() != b"lo":
            rx_bytes, rx_packets, rx_errors, rx_dropped = map(number, words[:4])
            tx_bytes, tx_packets, tx_errors, tx_dropped = map(number, words[8:12])
            interfaces_read.append(
                Interface(
                    decode_utf8(name.strip()),
                    rx_bytes,
                    rx_packets,
                    rx_errors,
                    rx_dropped,
                    tx_bytes,
                    tx_packets,
                    tx_errors,
                    tx_dropped,
                )
            )
    return tuple(interfaces_read)


def device_io_v1(sizes: bytes, counts: bytes) -> tuple[DeviceIo, ...]:
    """Parse ``blkio.throttle.io_service_bytes_recursive`` and ``.io_serviced_recursive``, reads and writes only."""
    size, count = _blkio(sizes), _blkio(counts)
    return tuple(DeviceIo(*key, value, count.get(key, 0)) for key, value in size.items())


def _blkio(text: bytes) -> dict[tuple[int, int, str], int]:
    """Parse lines "MAJOR:MINOR OPERATION NUMBER"; the last line, a total, is left out."""
    values: dict[tuple[int, int, str], int] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in _OPERATIONS:
            major, minor = _device(words[0])
            values[major, minor, _OPERATIONS[words[1]]] = number(words[2])
    return values


def device_io_v2(text: bytes) -> tuple[DeviceIo, ...]:
    """Parse ``io.stat``: lines "MAJOR:MINOR rbytes=N wbytes=N rios=N wios=N …"; a device without values is left out."""
    devices: list[DeviceIo] = []
    for line in text.splitlines():
        device, *fields = line.split()
        values = dict(field.split(b"=", 1) for field in fields if b"=" in field)
        if b"rbytes" in values:
            major, minor = _device(device)
            devices.append(DeviceIo(major, minor, "Read", number(values[b"rbytes"]), number(values.get(b"rios", b"0"))))
            devices.append(
                DeviceIo(major, minor, "Write", number(values[b"wbytes"]), number(values.get(b"wios", b"0")))
            )
    return tuple(devices)


def _device(word: bytes) -> tuple[int, int]:
    major, _, minor = word.partition(b":")
    return int(major), int(minor)


def cpu_max(text: bytes) -> tuple[int, int]:
    """Parse ``cpu.max``: quota (0 for "max") and period, in microseconds."""
    quota, period = text.split()
    return (0 if quota == b"max" else number(quota)), number(period)


def shares_of_weight(weight: int) -> int:
    """Return the cpu.shares (2 to 262144) that runc 1.1 turns into this cpu.weight (1 to 10000)."""
    return 2 + (weight - 1) * 262142 // 9999


def open_files_limit(text: bytes) -> int | None:
    """Return the soft limit of open files in /proc/PID/limits; None means no limit."""
    for line in text.splitlines():
        if line.startswith(b"Max open files"):
            word = line[len(b"Max open files") :].split()[0]
            return None if word == b"unlimited" else int(word)
    raise ValueError("limits have no line 'Max open files'")
