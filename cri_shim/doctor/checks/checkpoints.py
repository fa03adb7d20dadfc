"""Whether containers can be checkpointed, which few nodes need."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from cri_shim.doctor.facts.code import Code
from cri_shim.kernel.process import run_program
from cri_shim.node.criu import OLDEST, version_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.programs import Searched

NO_CRIU = Code("criu-missing", "note", "containers cannot be checkpointed", "containers can be checkpointed")
CODES: Final = (NO_CRIU,)

_SECONDS: Final = 5.0


async def read_criu(searched: Searched) -> str:
    """Return the output of ``criu --version``; empty if the program is missing or does not answer."""
    if not searched.path:
        return ""
    try:
        done = await run_program([searched.path, "--version"], os.environ, b"", time_limit=_SECONDS)
    except (OSError, TimeoutError):
        return ""
    return done.stdout.decode(errors="replace")


def judge_criu(searched: Searched, answer: str) -> Iterator[Outcome]:
    """Judge whether there is a criu that can write checkpoints."""
    remedies = ("needed only for the checkpoint API", "$ apt install criu")
    if not searched.path:
        yield NO_CRIU.report("criu is not installed: containers cannot be checkpointed", *remedies)
        return
    version = version_in(answer)
    if version is None:
        yield NO_CRIU.unknown(f"{searched.path} does not report its version", f"$ {searched.path} --version")
        return
    shown = ".".join(map(str, version))
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield NO_CRIU.report(f"{searched.path} is version {shown}; checkpoints need {oldest} or later", *remedies)
    else:
        yield NO_CRIU.fine(f"{searched.path} is version {shown}")
