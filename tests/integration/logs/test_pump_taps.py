"""What whoever is attached to a container hears of it, and that it costs the log nothing."""

from __future__ import annotations

from .conftest import entries, log_of, until


async def test_a_tap_gets_each_byte_once_and_unfinished_lines_at_once(pump, container, tmp_path) -> None:
    """A prompt without a newline reaches an attached terminal now, and is not repeated when its line ends."""
    shim, fds = container(tty=True)
    handle = pump.attach("c1", *fds, str(tmp_path / "0.log"))
    got: list[bytes] = []

    def tap(stream: bytes, data: bytes) -> bool:
        assert stream == b"stdout"
        got.append(data)
        return True

    shim.write(b"before\nhalf")
    await until(lambda: b"before" in log_of(handle))
    remove = handle.add_tap(tap)
    await handle.reopen()  # the tap is in place when this has been done
    shim.write(b" line\r\n/ # ")
    await until(lambda: b"".join(got) == b" line\r\n/ # ")
    shim.write(b"exit\r\n")
    await until(lambda: b"".join(got) == b" line\r\n/ # exit\r\n")
    remove()
    await handle.reopen()
    shim.write(b"unseen")
    shim.close()
    assert await handle.wait_drained(5)
    assert b"".join(got) == b" line\r\n/ # exit\r\n"
    assert entries(log_of(handle)) == [(b"F", b"before"), (b"F", b"half line"), (b"F", b"/ # exit"), (b"P", b"unseen")]


async def test_a_tap_that_fails_is_dropped_and_the_others_hear_the_end(pump, container, tmp_path) -> None:
    """A failing listener affects no other; at the end taps get empty data, also those that are added later."""
    shim, fds = container()
    handle = pump.attach("c1", *fds, str(tmp_path / "0.log"))
    got: list[bytes] = []
    calls = 0

    def broken(stream: bytes, data: bytes) -> bool:
        nonlocal calls
        calls += 1
        raise ValueError("gone")

    def good(stream: bytes, data: bytes) -> bool:
        got.append(data)
        return True

    handle.add_tap(broken)
    handle.add_tap(good)
    await handle.reopen()
    shim.write(b"one\n")
    await until(lambda: got == [b"one\n"])
    shim.write(b"two\n", 1)
    shim.close()
    assert await handle.wait_drained(5)
    await until(lambda: got == [b"one\n", b"two\n", b""])
    assert calls == 1
    handle.add_tap(good)
    await until(lambda: got[3:] == [b""])
