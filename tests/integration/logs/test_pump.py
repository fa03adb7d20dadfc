"""The pump on real FIFOs: what containers write is what the log holds."""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING

import pytest

from cri_shim.kernel import LinuxKernel
from cri_shim.logs import source as source_module
from cri_shim.logs.pump import LogPump

from .conftest import entries, log_of, text, until

if TYPE_CHECKING:
    from pathlib import Path


async def test_two_streams_end_up_in_one_file_in_whole_lines(pump, container, tmp_path) -> None:
    """stdout and stderr at full speed at the same time: each stream complete and in order, no line torn or mixed."""
    shim, fds = container()
    handle = pump.attach("c1", *fds, str(tmp_path / "log" / "0.log"))
    chance = random.Random(1)
    wanted = []
    threads = []
    for stream in (0, 1):
        lines = [b"%d:%d " % (stream, n) + b"x" * chance.randrange(200) + b"\n" for n in range(20_000)]
        data = b"".join(lines)
        cuts = sorted(chance.randrange(len(data)) for _ in range(300))
        chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        wanted.append(data)
        threads.append(shim.write_in_background(chunks, stream))
    for thread in threads:
        await asyncio.to_thread(thread.join)
    shim.close()
    assert await handle.wait_drained(20)
    log = log_of(handle)
    assert text(log) == wanted[0]
    assert text(log, b"stderr") == wanted[1]
    assert pump.statistics().bytes_read == len(wanted[0]) + len(wanted[1])
    assert pump.statistics().entries == 40_000


async def test_long_lines_crlf_binary_and_a_missing_newline(pump, container, tmp_path) -> None:
    """The corner cases of the format, through real pipes."""
    shim, fds = container()
    handle = pump.attach("c1", *fds, str(tmp_path / "0.log"), 1000)
    shim.write(b"x" * 2500 + b"\n" + b"dos\r\n" + b"y" * 1000 + b"\r\n" + b"\x00\xff\r\x80\n" + b"\n")
    shim.write(b"z" * 2000)
    shim.write(b"no newline", 1)
    shim.close()
    assert await handle.wait_drained(5)
    log = log_of(handle)
    assert entries(log) == [
        (b"P", b"x" * 1000),
        (b"P", b"x" * 1000),
        (b"F", b"x" * 500),
        (b"F", b"dos"),
        (b"F", b"y" * 1000),
        (b"F", b"\x00\xff\r\x80"),
        (b"F", b""),
        (b"P", b"z" * 1000),
        (b"P", b"z" * 1000),
    ]
    assert entries(log, b"stderr") == [(b"P", b"no newline")]


@pytest.mark.parametrize(
    ("max_line", "length", "pieces"),
    [(200_000, 190_000, 1), (200_000, 390_001, 2), (0, 250_000, 1), (16384, 250_000, 16), (7, 50_000, 7143)],
)
async def test_lines_longer_than_a_pipe_usually_is(  # noqa: PLR0917 - three fixtures and one table row
    pump, container, tmp_path, max_line, length, pieces
) -> None:
    """A limit above the default holds up to a quarter of the largest FIFO; beyond that, and below, lines are cut."""
    shim, fds = container()
    handle = pump.attach("c1", *fds, str(tmp_path / "0.log"), max_line)
    data = bytes(random.Random(2).choices(b"abcdef", k=length)) + b"\n"
    await asyncio.to_thread(shim.write, data)
    shim.close()
    assert await handle.wait_drained(5)
    read = entries(log_of(handle))
    assert [tag for tag, _ in read] == [b"P"] * (pieces - 1) + [b"F"]
    assert text(log_of(handle)) == data


async def test_an_unfinished_line_is_not_written_before_it_ends(pump, container, tmp_path) -> None:
    """A line written in pieces, slowly, is one entry."""
    shim, fds = container()
    handle = pump.attach("c1", *fds, str(tmp_path / "0.log"))
    for letter in b"slowly":
        shim.write(bytes([letter]))
        await asyncio.sleep(0.01)
    assert log_of(handle) == b""
    shim.write(b" done\nnext")
    await until(lambda: bool(log_of(handle)))
    assert entries(log_of(handle)) == [(b"F", b"slowly done")]


async def test_the_kernel_wakes_us_for_writes_behind_an_unfinished_line(pump, container, tmp_path, monkeypatch) -> None:
    """Edge-triggered FIFOs that hold data signal the next write at once; the second look is not needed for that."""
    monkeypatch.setattr("cri_shim.logs.pump.FIRST_PAUSE", 3600.0)
    shim, fds = container()
    handle = pump.attach("c1", *fds, str(tmp_path / "0.log"))
    for number in range(20):
        shim.write(b"held ")
        await asyncio.sleep(0.01)
        shim.write(b"%d\n" % number)
        took = await until(lambda: b"held %d\n" % number in log_of(handle), 2)
        assert took < 0.5


async def test_a_writer_that_filled_the_fifo_behind_an_unfinished_line_goes_on(pump, container, tmp_path) -> None:
    """One write larger than the FIFO, which the kernel does not signal until it ends, is not left waiting."""
    shim, fds = container()
    handle = pump.attach("c1", *fds, str(tmp_path / "0.log"))
    shim.write(b"held")
    await asyncio.sleep(0.05)
    line = b"x" * 999 + b"\n"
    thread = shim.write_in_background([line * 4000])
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()
    shim.close()
    assert await handle.wait_drained(5)
    assert text(log_of(handle)) == b"held" + line * 4000


async def test_no_path_means_drained_and_dropped(pump, container) -> None:
    """A container without a log neither blocks nor leaves anything."""
    shim, fds = container()
    handle = pump.attach("c1", *fds, None)
    await handle.wait_opened()
    await asyncio.to_thread(shim.write, b"x" * 3_000_000)
    await handle.reopen()
    shim.close()
    assert await handle.wait_drained(5)
    assert handle.path is None
    assert pump.statistics().bytes_read == 3_000_000


async def test_a_chatty_container_does_not_starve_a_quiet_one(pump, container, tmp_path) -> None:
    """While one container writes without pause, another one's line is in its log within a moment."""
    loud, loud_fds = container("loud")
    quiet, quiet_fds = container("quiet")
    pump.attach("loud", loud_fds[0], loud_fds[1], None)
    handle = pump.attach("quiet", *quiet_fds, str(tmp_path / "quiet.log"))
    thread = loud.write_in_background(b"y\n" * 16_000 for _ in range(2000))
    worst = 0.0
    for number in range(20):
        quiet.write(b"line %d\n" % number)
        worst = max(worst, await until(lambda: b" line %d\n" % number in log_of(handle)))
        await asyncio.sleep(0.005)
    assert worst < 0.5
    await asyncio.to_thread(thread.join)


async def test_rotation_under_load_loses_and_repeats_nothing(pump, container, tmp_path) -> None:
    """Renames and reopens while the container writes: the files together hold each line once, in order."""
    shim, fds = container(tty=True)
    path = tmp_path / "0.log"
    handle = pump.attach("c1", *fds, str(path))
    await handle.wait_opened()
    count = 0
    rotating = True

    def lines():
        nonlocal count
        while rotating:
            yield b"".join(b"%d\n" % n for n in range(count, count + 100))
            count += 100

    thread = shim.write_in_background(lines())
    files: list[Path] = []
    for number in range(30):
        files.append(tmp_path / f"0.log.{number}")
        path.rename(files[-1])
        await handle.reopen()
        assert path.exists()
        await asyncio.sleep(0.01)
    rotating = False
    await asyncio.to_thread(thread.join, 10)
    shim.close()
    assert await handle.wait_drained(10)
    contents = [text(file.read_bytes()).split() for file in (*files, path)]
    assert sum(1 for content in contents if content) > 10
    assert [line for content in contents for line in content] == [b"%d" % n for n in range(count)]


async def test_after_reopen_has_returned_lines_go_to_the_new_file(pump, container, tmp_path) -> None:
    """What is written after the RPC is not in the renamed file."""
    shim, fds = container()
    path = tmp_path / "0.log"
    handle = pump.attach("c1", *fds, str(path))
    shim.write(b"old\nhalf")
    await until(lambda: bool(log_of(handle)))
    path.rename(tmp_path / "0.log.1")
    await handle.reopen()
    shim.write(b" new\n")
    await until(lambda: bool(path.read_bytes()))
    assert entries((tmp_path / "0.log.1").read_bytes()) == [(b"F", b"old")]
    assert entries(path.read_bytes()) == [(b"F", b"half new")]


async def test_a_log_that_cannot_be_opened_is_reported_and_does_not_block(pump, container, tmp_path) -> None:
    """wait_opened and reopen raise; the container's output is dropped and counted meanwhile."""
    (tmp_path / "file").write_text("in the way")
    shim, fds = container()
    handle = pump.attach("c1", *fds, str(tmp_path / "file" / "0.log"))
    with pytest.raises(OSError, match="file"):
        await handle.wait_opened()
    with pytest.raises(OSError, match="file"):
        await handle.reopen()
    await asyncio.to_thread(shim.write, b"lost line\n" * 100_000)
    await until(lambda: pump.statistics().bytes_dropped >= 900_000)
    (tmp_path / "file").unlink()
    await handle.reopen()
    shim.write(b"kept\n")
    await until(lambda: log_of(handle).endswith(b" stdout F kept\n"))
    assert pump.statistics().write_errors > 0


async def test_stopping_leaves_unread_output_for_the_next_pump(container, tmp_path) -> None:
    """What was not written is still in the FIFO, the unfinished line too; nothing twice."""
    shim, fds = container()
    first = LogPump(LinuxKernel().tee)
    first.start()
    handle = first.attach("c1", fds[0], fds[1], str(tmp_path / "0.log"))
    shim.write(b"one\ntwo is unfin")
    await until(lambda: b"one" in log_of(handle))
    assert await asyncio.to_thread(first.stop)
    assert not await handle.wait_drained(1)
    handle.close()
    shim.write(b"ished\nthree\n")
    second = LogPump(LinuxKernel().tee)
    second.start()
    stdout, stderr = shim.fifos.open_readers()
    again = second.attach("c1", stdout, stderr, str(tmp_path / "0.log"))
    await until(lambda: b"three" in log_of(again))
    assert entries(log_of(again)) == [(b"F", b"one"), (b"F", b"two is unfinished"), (b"F", b"three")]
    assert second.stop()


async def test_closing_frees_everything_and_the_rest_stays_in_the_fifo(pump, container, tmp_path) -> None:
    """No descriptor is left after close; waiting for the end then says no; calls afterwards are harmless."""
    before = len(os.listdir("/proc/self/fd"))
    shim, fds = container()
    shims = len(shim.writers) + len(shim.readers)
    handle = pump.attach("c1", *fds, str(tmp_path / "0.log"))
    await handle.wait_opened()
    assert not await handle.wait_drained(0.05)
    handle.close()
    handle.close()
    assert not await handle.wait_drained(5)
    assert len(os.listdir("/proc/self/fd")) == before + shims
    assert "closed" in repr(handle)
    shim.write(b"after\n")
    assert os.read(shim.readers[0], 100) == b"after\n"
    assert pump.statistics().containers == pump.statistics().streams == 0


async def test_descriptors_that_are_no_fifos_are_refused_and_closed(pump, tmp_path) -> None:
    """Attach raises for a plain file and does not keep its descriptor."""
    fd = os.open(tmp_path / "plain", os.O_RDWR | os.O_CREAT)
    with pytest.raises(OSError):
        pump.attach("c1", fd, None, None)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)


async def test_an_error_with_one_container_is_retried_and_leaves_the_others_alone(
    pump, container, tmp_path, monkeypatch
) -> None:
    """The thread survives a turn that raises, and comes back to that container."""
    monkeypatch.setattr("cri_shim.logs.pump.LONGEST_PAUSE", 0.05)
    failures = 3
    original = source_module.Source._write

    def failing(self, chunk, *, final, counters):
        nonlocal failures
        if self.sink.container_id == "bad" and failures:
            failures -= 1
            raise RuntimeError("disk controller on fire")
        return original(self, chunk, final=final, counters=counters)

    monkeypatch.setattr(source_module.Source, "_write", failing)
    bad, bad_fds = container("bad")
    good, good_fds = container("good")
    bad_handle = pump.attach("bad", *bad_fds, str(tmp_path / "bad.log"))
    good_handle = pump.attach("good", *good_fds, str(tmp_path / "good.log"))
    bad.write(b"persistent\n")
    good.write(b"fine\n")
    await until(lambda: bool(log_of(good_handle)))
    await until(lambda: bool(log_of(bad_handle)))
    assert failures == 0
    assert entries(log_of(bad_handle)) == [(b"F", b"persistent")]


async def test_a_hundred_containers_at_once(pump, container, tmp_path) -> None:
    """Each log holds its own container's lines, complete and in order, on both streams."""
    count, lines = 100, 300
    shims, handles = [], []
    for number in range(count):
        shim, fds = container(f"c{number}")
        shims.append(shim)
        handles.append(pump.attach(f"c{number}", *fds, str(tmp_path / f"c{number}" / "0.log")))

    def write_all() -> None:
        for line in range(lines):
            for number, shim in enumerate(shims):
                shim.write(b"%d.%d\n" % (number, line))
                shim.write(b"%d.%d" % (number, line) + (b"!\n" if line % 3 == 2 else b","), 1)

    await asyncio.to_thread(write_all)
    assert pump.statistics().containers == count
    assert pump.statistics().streams == 2 * count
    for shim in shims:
        shim.close()
    for number, handle in enumerate(handles):
        assert await handle.wait_drained(10)
        log = log_of(handle)
        assert text(log) == b"".join(b"%d.%d\n" % (number, line) for line in range(lines))
        assert text(log, b"stderr").count(b"!\n") == lines // 3
    assert pump.statistics().streams == 0


async def test_a_descriptor_number_may_be_used_again_while_its_container_goes_on(pump, container, tmp_path) -> None:
    """A stream that has ended frees its number; the end of the container's other stream is then no one else's."""
    first, fds = container("first")
    one = pump.attach("first", *fds, str(tmp_path / "first.log"))
    first.close_stream(0)
    await until(lambda: pump.statistics().streams == 1)

    second, others = container("second")
    assert others[0] == fds[0], "the kernel gives the lowest number that is free"
    two = pump.attach("second", *others, str(tmp_path / "second.log"))
    await two.wait_opened()
    first.close()
    assert await one.wait_drained(5)

    second.write(b"still followed\n")
    await until(lambda: text(log_of(two)) == b"still followed\n")
    second.close()
    assert await two.wait_drained(5)


async def test_a_stream_that_a_child_of_ours_still_has_open_shows_nothing(pump, container, tmp_path) -> None:
    """A program being started has all our descriptors for a moment, with what epoll knows of them."""
    first, fds = container("first", tty=True)
    one = pump.attach("first", *fds, str(tmp_path / "first.log"))
    await one.wait_opened()
    child = os.dup(fds[0])  # the same open file, as in a child before it executes its program
    first.close()
    assert await one.wait_drained(5)

    second, others = container("second", tty=True)
    assert others[0] == fds[0]
    two = pump.attach("second", *others, str(tmp_path / "second.log"))
    await two.wait_opened()
    os.close(os.open(first.fifos.stdout, os.O_WRONLY | os.O_NONBLOCK))  # hangs up once more
    await asyncio.sleep(0.05)
    os.close(child)

    second.write(b"still followed\n")
    await until(lambda: text(log_of(two)) == b"still followed\n")


async def test_a_fifo_in_place_of_a_log_file(pump, container, tmp_path) -> None:
    """A log that nothing reads loses its own entries; the logs of other containers go on."""
    os.mkfifo(tmp_path / "fifo.log")
    loud, loud_fds = container()
    loud_handle = pump.attach("loud", *loud_fds, str(tmp_path / "fifo.log"))
    other, other_fds = container()
    other_handle = pump.attach("other", *other_fds, str(tmp_path / "0.log"))
    written = loud.write_in_background([b"x" * 100 + b"\n"] * 20_000)
    await asyncio.to_thread(written.join, 20)
    assert not written.is_alive()
    other.write(b"heard\n")
    loud.close()
    other.close()
    assert await other_handle.wait_drained(5)
    assert await loud_handle.wait_drained(5)
    assert entries(log_of(other_handle)) == [(b"F", b"heard")]
    assert pump.statistics().write_errors > 0
