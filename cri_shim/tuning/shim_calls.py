"""Have a short script answer containerd where it would start the shim's program for nothing.

containerd runs the program ``containerd-shim-runc-v2`` for each task that it creates and again for each that it has
deleted. For a further container of a pod that program only finds that the pod's shim serves it too, and prints the
address of that shim; after an ordinary end it finds nothing left to undo. Each time a large program is loaded, at the
end even two, the shim's and runc. The script (``shim_calls.sh``) gives the same answers and passes on everything else.
containerd runs it because ``CreateTaskRequest.runtime_path`` names it. (docs/adr/0040)

containerd notes the path of the script on disk. As soon as the task exists, the program's path replaces it: when
containerd starts again, it depends on nothing of ours.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import structlog

from containerd_client import ContainerdError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.presence import mode_of
from cri_shim.kernel.processes import PROC, parent
from cri_shim.kernel.write_file import write_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from containerd_client import Containerd
    from cri_shim.config import RuntimeHandler
    from cri_shim.paths import Paths

SHIM: Final = "io.containerd.runc.v2"
_NOT_STARTED: Final = "failed to start shim"
"""How the errors of containerd begin when the shim's program, or what stands for it, was the reason."""
KEEP_EVERY: Final = 30.0
"""Seconds between looks for the script."""
TRIES: Final = 3
"""How often in a row the script may fail where the program does not: a shim may have died just then."""

log = structlog.get_logger(__name__)


class ShimCalls:
    """Creates tasks, by way of the script where that is possible."""

    def __init__(self, containerd: Containerd, paths: Paths, script: str, end_shims: Callable[[str], None]) -> None:
        """``script`` is the path of the script; empty to do without.

        ``end_shims`` ends the shims that were started for an id and that containerd does not know. Blocks.
        """
        self._containerd = containerd
        self._paths = paths
        self._script = script
        self._end_shims = end_shims
        self._failures = 0
        self._needed = bool(script)

    async def create_task(self, id_: str, handler: RuntimeHandler, *, sandbox_id: str = "", **task: Any) -> int:
        """Create the task of ``id_`` and return its pid; ``task`` and errors are those of ``Tasks.create``.

        ``sandbox_id`` is the pod whose shim a container shares.
        """
        create = self._containerd.tasks.create
        script = self._script
        if not script or handler.runtime_type != SHIM or handler.runtime_path:
            return await create(id_, **task)
        if sandbox_id:
            write_file(self._paths.container_state(id_) / "sandbox", sandbox_id.encode())
        try:
            pid = await create(id_, runtime_path=script, **task)
        except ContainerdError as error:
            if _NOT_STARTED not in error.detail:
                raise
            # The script's start may have made a shim all the same: a shell that complains, about its locale for
            # instance, spoils the answer. containerd has removed the bundle in which that shim works.
            await run(FS, self._end_shims, id_)
            pid = await create(id_, **task)
            self._doubt_script(error.detail)
        else:
            self._failures = 0
            FS.submit(forget_script, id_, pid, script)
        return pid

    async def keep_script(self) -> None:
        """Write the script again whenever it is gone.

        containerd runs it until the last task that was made with it has ended. If it cannot, and the shim is killed,
        containerd reports the end of containers that run on.
        """
        while True:
            await asyncio.sleep(KEEP_EVERY)
            if self._needed and await run(FS, mode_of, self._paths.shim_calls()) is None:
                log.warning("shim_calls.script_was_gone", path=str(self._paths.shim_calls()))
                await run(FS, ready_script, self._paths, enabled=True)

    def _doubt_script(self, error: str) -> None:
        """The shim's program has done what the script could not."""
        self._failures += 1
        if self._failures == 1:
            FS.submit(ready_script, self._paths, enabled=True)
        elif self._failures >= TRIES and self._script:
            self._script = ""
            log.warning("shim_calls.not_used", error=error)


def ready_script(paths: Paths, *, enabled: bool) -> str:
    """Return the path of the script, which is written if it is missing; empty if it is not wanted or not possible.

    A script that is not wanted any more stays: containerd may still run it for containers that live.
    """
    if not enabled:
        return ""
    try:
        return install_script(paths)
    except OSError as error:
        log.warning("shim_calls.no_script", error=str(error))
        return ""


def install_script(paths: Paths) -> str:
    """Write the script unless it is there; return its path. Raises OSError.

    It is replaced by a rename, because a shell reads its script while it runs.
    """
    template = files(__package__).joinpath("shim_calls.sh").read_text(encoding="utf-8")
    script = template.replace("@CONTAINERS@", shlex.quote(str(paths.containers_state()))).encode()
    path = paths.shim_calls()
    try:
        if path.read_bytes() == script and os.access(path, os.X_OK):
            return str(path)
    except FileNotFoundError:
        pass
    new = path.with_name(f".{path.name}.new")
    write_file(new, script)
    new.chmod(0o755)
    new.replace(path)
    return str(path)


def forget_script(id_: str, pid: int, script: str, proc: Path = PROC) -> None:
    """Name the shim's program in the bundle of ``id_``, where containerd has noted the script. Blocks.

    The script has left the program's path there, as containerd would have noted it: not the path of the program that
    runs, which is without symbolic links and goes with its version. The working directory of a shim is a bundle, beside
    the bundles of all others.
    """
    bundle = proc / str(parent(pid, proc)) / "cwd" / ".." / id_
    note = bundle / "shim-binary-path"
    try:
        if note.read_bytes() == os.fsencode(script):
            write_file(note, (bundle / "shim-calls-program").read_bytes(), mode=0o600)
    except OSError as error:
        log.debug("shim_calls.script_stays", id=id_, error=str(error))
