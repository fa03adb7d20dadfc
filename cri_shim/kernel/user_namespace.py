"""Make user namespaces by a short-lived child, because a thread cannot make one for itself.

unshare(2) refuses CLONE_NEWUSER to a process with threads, and forking a process with gRPC's threads is not safe. The
child is therefore util-linux's ``unshare`` running ``cat``: an echo through it shows that the namespaces exist, and
they are reached through its ``/proc`` directory. The node's root writes the mappings from outside, so no helper with
file capabilities is needed. A network namespace made by the same child belongs to the user namespace: root in there may
configure it and mount its own sysfs.
Facts: user_namespaces(7), unshare(1).
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cri_shim.kernel.protocol import IdRange

_SEARCHED: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_END_SECONDS: Final = 5.0


def unshare_program() -> str | None:
    """Return the path of ``unshare``, or None if the node lacks it and user namespaces cannot be made."""
    return shutil.which("unshare", path=_SEARCHED)


@contextmanager
def child_with_namespaces(uids: Sequence[IdRange], gids: Sequence[IdRange], *, network: bool) -> Iterator[Path]:
    """Yield ``/proc/PID/ns`` of a child in a new user namespace with these mappings, and a new network one if asked.

    The child, and namespaces that nothing else holds, end with the context. Raises ``OSError`` if the kernel allows no
    more user namespaces or rejects a mapping. Blocks.
    """
    program = unshare_program()
    if program is None:
        raise FileNotFoundError("unshare, the program of util-linux, is missing; user namespaces cannot be made")
    kinds = ["--user", "--net"] if network else ["--user"]
    child = subprocess.Popen(
        [program, *kinds, "--", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    try:
        _wait_until_made(child)
        process = Path(f"/proc/{child.pid}")
        (process / "uid_map").write_text(_lines(uids))
        (process / "gid_map").write_text(_lines(gids))
        yield process / "ns"
    finally:
        child.kill()
        child.wait(_END_SECONDS)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


def _wait_until_made(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise OSError("the child has no pipes")
    try:
        child.stdin.write(b"\n")
    except BrokenPipeError:
        echo = b""
    else:
        echo = child.stdout.read(1)
    if not echo:
        said = child.stderr.read().decode(errors="replace").strip()
        raise OSError(f"a user namespace cannot be made: {said or 'unshare ended without an error message'}")


def _lines(ranges: Sequence[IdRange]) -> str:
    return "".join(f"{inside} {outside} {size}\n" for inside, outside, size in ranges)
