"""Make one pod for each line of standard input, and answer with a line that says how long it took.

This is a script without a daemon: ``python -m cri_shim.bench.floor RECIPE.json``. The file describes a pod
(:mod:`cri_shim.bench.floor.recipe`). A line is a `Variant` in JSON, its answer an `Outcome`. When standard input ends,
the script ends too, and leaves nothing behind.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import msgspec

from cri_shim.bench.floor import leftovers, recipe
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.pod import Pod
from cri_shim.bench.floor.recipe import Outcome, Recipe, Variant
from cri_shim.bench.floor.runc import Runc


def make_pod(what: Recipe, runc: Runc, folder: Path, variant: Variant) -> Outcome:
    """Start and end a pod under the clock; nothing of it is left, whatever happens."""
    pod = Pod(what, runc, folder, variant.kind)
    start = end = 0.0
    wrong = []
    try:
        start = pod.start(variant.order)
        pod.check()
        end = pod.end(variant.order)
    except (FloorError, OSError) as error:
        wrong.append(_in_words(error))
    try:
        pod.close()
    except (FloorError, OSError) as error:
        wrong.append(_in_words(error))
    stages = {name: round(ms, 3) for name, ms in pod.stages.ms.items()}
    return Outcome(round(start, 3), round(end, 3), stages, "; and while it was undone: ".join(wrong))


def _in_words(error: FloorError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    return str(error)


def serve(what: Recipe, states: Path) -> None:
    """Answer every line, in a folder below ``states``; the garbage collector is off while a pod is made."""
    with leftovers.own_folder(what, states) as state:
        runc = Runc(what.runc, state / "runc", what.systemd_cgroup)
        gc.disable()
        for number, line in enumerate(sys.stdin.buffer):
            variant = msgspec.json.decode(line, type=Variant)
            outcome = make_pod(what, runc, state / "pods" / f"floor-{os.getpid()}-{number}", variant)
            sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
            sys.stdout.buffer.flush()
            gc.collect()


if __name__ == "__main__":
    serve(recipe.load(Path(sys.argv[1])), Path(sys.argv[2]) if len(sys.argv) > 2 else recipe.STATES)
