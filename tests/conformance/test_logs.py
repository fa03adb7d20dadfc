"""Container logs: their format, long and unfinished lines, rotation."""

from __future__ import annotations

import stat

import grpc
import pytest

from lab.cri_client import failure
from lab.log_file import read_log, text
from lab.pod_configs import sh

LINE = 16384


async def entries_of(pod, script, **config):
    """What a script logs, after its end."""
    container = await pod.start(command=sh(script), **config)
    await container.ended()
    return container.entries()


@pytest.mark.proves("ContainerConfig.log_path", "PodSandboxConfig.log_directory")
async def test_both_streams_are_logged_with_time_and_name(pod):
    """Each line is one full entry of its stream, in order, with a time that does not go back."""
    entries = await entries_of(pod, "echo one; sleep 0.05; echo two >&2; sleep 0.05; echo three")
    assert [(e.stream, e.full, e.content) for e in entries] == [
        ("stdout", True, b"one"),
        ("stderr", True, b"two"),
        ("stdout", True, b"three"),
    ]
    assert [e.time for e in entries] == sorted(e.time for e in entries)


async def test_an_empty_line_is_an_entry(pod):
    """An empty line is a full entry without content."""
    assert [(e.full, e.content) for e in await entries_of(pod, "echo; echo x")] == [(True, b""), (True, b"x")]


async def test_a_long_line_is_cut(pod):
    """A line longer than the limit is cut into partial entries of that size and a full one with the rest."""
    entries = await entries_of(pod, f"head -c {2 * LINE + 100} /dev/zero | tr '\\0' x; echo; echo after")
    assert [(e.full, len(e.content)) for e in entries] == [(False, LINE), (False, LINE), (True, 100), (True, 5)]


async def test_a_line_of_exactly_the_limit_is_whole(pod):
    """A line of as many bytes as the limit is one full entry when put together."""
    entries = await entries_of(pod, f"head -c {LINE} /dev/zero | tr '\\0' x; echo; echo after")
    assert text(entries) == "x" * LINE + "\nafter\n"


async def test_an_end_without_newline_is_partial(pod):
    """What the process wrote after its last newline is a partial entry."""
    entries = await entries_of(pod, "printf 'whole\\nrest'")
    assert [(e.full, e.content) for e in entries] == [(True, b"whole"), (False, b"rest")]


async def test_bytes_are_kept(pod):
    """Bytes that are no UTF-8 are logged as they are."""
    entries = await entries_of(pod, "printf '\\377\\000\\001\\n'")
    assert entries[0].content == b"\xff\x00\x01"


@pytest.mark.plugin_differs(
    "the plugin stops reading when the task ends, and loses what is still in the pipe", always=False
)
async def test_nothing_is_lost_or_mixed_when_much_is_written(pod):
    """Fifty thousand lines on two streams all arrive, each stream in order."""
    script = "seq 1 25000 & seq 1 25000 >&2; wait"
    entries = await entries_of(pod, script)
    wanted = "".join(f"{number}\n" for number in range(1, 25001))
    assert text(entries, "stdout") == wanted
    assert text(entries, "stderr") == wanted


async def test_the_log_file_is_not_for_everybody(pod):
    """The log file can be read by its owner and group only."""
    container = await pod.start(command=sh("echo x"))
    await container.ended()
    assert stat.S_IMODE(container.log.stat().st_mode) == 0o640


async def test_without_a_log_path_nothing_is_written(pod):
    """A container without a log path runs, however much it writes, and leaves no file."""
    container = await pod.start("unlogged", command=sh("head -c 1000000 /dev/zero; exit 4"), log=False)
    assert (await container.ended()).exit_code == 4
    assert not (container.log.parent / "unlogged").exists()


@pytest.mark.proves("RuntimeService.ReopenContainerLog")
async def test_rotation_goes_on_in_a_new_file(pod, client):
    """After a rename and ReopenContainerLog new lines are in a new file and none is lost or twice."""
    container = await pod.start(command=sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done"))
    await container.logged("line 20\n")
    old = container.log.with_suffix(".old")
    container.log.rename(old)
    await client.ReopenContainerLog(container_id=container.id)
    await container.logged("line ")
    await container.stop(timeout=0)
    lines = [entry.content.decode() for entry in (*read_log(old), *container.entries())]
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]
    assert len(lines) > 20


async def test_the_log_of_an_ended_container_is_not_reopened(node, pod, client):
    """ReopenContainerLog wants a running container."""
    container = await pod.start(command=sh("exit 0"))
    await container.ended()
    code, message = await failure(client.ReopenContainerLog(container_id=container.id))
    assert code == node.code(grpc.StatusCode.FAILED_PRECONDITION, plugin=grpc.StatusCode.UNKNOWN)
    assert "running" in message


async def test_the_log_of_an_unknown_container_is_not_reopened(client):
    """ReopenContainerLog of an unknown id is NOT_FOUND."""
    code, _ = await failure(client.ReopenContainerLog(container_id="0" * 64))
    assert code == grpc.StatusCode.NOT_FOUND
