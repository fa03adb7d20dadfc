"""Find out whether this node has a criu that can write a checkpoint.

runc runs the ``criu`` that it finds on containerd's PATH. This daemon looks on its own PATH, which is the same if both
are services of the node. It looks anew for each checkpoint (one short program, and checkpoints are rare), so that
installing criu needs no restart. Source: containerd ``container_checkpoint_linux.go``, which refuses below the same
version.
"""

from __future__ import annotations

import os
import shutil
from typing import Final

from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.process import run_program
from cri_shim.node.criu import OLDEST, version_in

_SECONDS: Final = 10.0


async def require_criu() -> None:
    """Return if criu can be used; raises FailedPreconditionError that says what is missing and what to do."""
    program = await run(FS, shutil.which, "criu")
    if program is None:
        raise FailedPreconditionError(
            "criu is not on the PATH of cri-shim; install it for cri-shim and containerd to write checkpoints"
        )
    try:
        done = await run_program([program, "--version"], os.environ, b"", time_limit=_SECONDS)
    except (OSError, TimeoutError) as error:
        raise FailedPreconditionError(f"{program} cannot be asked for its version: {error}") from error
    version = version_in(done.stdout.decode(errors="replace"))
    if version is None:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise FailedPreconditionError(
            f"{program} does not report its version (exit code {done.exit_code}): {said[-500:]}"
        )
    if version < OLDEST:
        version_text, oldest = ".".join(map(str, version)), ".".join(map(str, OLDEST))
        raise FailedPreconditionError(f"{program} is criu {version_text}; checkpoints need {oldest} or newer")
