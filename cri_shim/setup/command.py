"""Run ``cri-shim setup``: show, ask, change, and say what comes next."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cri_shim.node_root import on_disk
from cri_shim.setup import targets
from cri_shim.setup.apply import ChangedMeanwhileError, apply
from cri_shim.setup.confirm import confirmed
from cri_shim.setup.journal import EnabledService, Journal, JournalError
from cri_shim.setup.node import is_live, read_node
from cri_shim.setup.only_one import OtherSetupError, only_one
from cri_shim.setup.plan import Options, WriteFile, make_plan
from cri_shim.setup.show import ARGUMENTS, by_hand_lines, plan_lines, remark_lines
from cri_shim.setup.systemd import SystemdError, check_containerd, check_content, run_command
from cri_shim.setup.undo_command import undo

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from cri_shim.setup.node import Node
    from cri_shim.setup.plan import Plan

_PROGRAM: Final = "/usr/bin/cri-shim"


def run(options: argparse.Namespace) -> int:
    """Set up or take back; return 0 for success, 1 for a failure, 2 if it must be confirmed and cannot be asked."""
    root = Path(os.path.realpath(options.root))
    try:
        if not root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))
        if root == Path("/") and os.geteuid() != 0 and not options.dry_run:
            print("run as root", file=sys.stderr)
            return 1
        with nullcontext() if options.dry_run else only_one(root):
            journal = Journal.read(on_disk(root, targets.JOURNAL))
            if options.undo:
                return undo(options, root, journal, systemd=is_live(root))
            return _set_up(options, root, journal)
    except BrokenPipeError:
        raise  # the reader of our output has gone, which the caller expects
    except KeyboardInterrupt:
        again = "the same command completes it, and `cri-shim setup --undo` takes back what was changed"
        _say(remark_lines("error", [f"interrupted: {again}"]), sys.stderr)
        return 1
    except (OSError, JournalError, ChangedMeanwhileError, OtherSetupError, SystemdError) as error:
        _say(remark_lines("error", [_reason(error)]), sys.stderr)
        return 1


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError) or error.filename is None:
        return str(error)
    remedy = "; run as root" if isinstance(error, PermissionError) and os.geteuid() != 0 else ""
    return f"{error.filename}: {error.strerror}{remedy}"


def _set_up(options: argparse.Namespace, root: Path, journal: Journal) -> int:
    node = read_node(root, program=_program())
    plan = make_plan(node, _options(options), journal.known(), journal.pending)
    by_hand = options.no_start or not node.systemd
    print("\n".join(plan_lines(plan, by_hand=by_hand)) or "nothing to change: this node is set up")
    _say(remark_lines("note", plan.notes))
    if plan.problems:
        _say(remark_lines("error", plan.problems), sys.stderr)
        return 1
    if options.dry_run:
        return 0
    if plan.changes or plan.commands:
        refused = confirmed(yes=options.yes)
        if refused:
            return refused
        _make(plan, node, root, journal, start=not options.no_start)
    _say(remark_lines("next", _next_steps(node)))
    return 0


def _make(plan: Plan, node: Node, root: Path, journal: Journal, *, start: bool) -> None:
    if node.systemd:
        _check_new_file(plan, node)
    # The journal's own directory first, so that it is known who made it.
    first = [change for change in plan.changes if change.path in {targets.STATE, *targets.parents(targets.STATE)}]
    for change in first:
        apply(change, root, journal)
    if node.systemd:
        journal.note_pending(plan.commands)
    for change in plan.changes[len(first) :]:
        apply(change, root, journal)
    if not (node.systemd and start):
        _say(by_hand_lines([ARGUMENTS[command] for command in plan.commands], again="" if start else "--no-start"))
        return
    for command in plan.commands:
        if command == "restart-containerd":
            check_containerd(node.containerd.program)
        if command == "enable":
            journal.note_service(EnabledService(targets.UNIT, node.enabled, node.active))
        run_command(command)
        journal.ran(command)


def _check_new_file(plan: Plan, node: Node) -> None:
    """Let containerd read its new file before anything is changed: a restart, even a later one, must not fail."""
    for change in plan.changes:
        if isinstance(change, WriteFile) and change.path == targets.CONTAINERD_CONFIG and node.containerd.unit:
            check_content(node.containerd.program, change.content)


def _next_steps(node: Node) -> list[str]:
    steps = [
        "`cri-shim doctor` checks this node for what keeps pods from running",
        "`cri-shim status --wait 60` waits until the daemon is ready",
    ]
    if node.kubelet:
        steps.append("drain this node and restart the kubelet, so that it uses cri-shim")
    return steps


def _options(options: argparse.Namespace) -> Options:
    return Options(
        cni_sample=options.cni_sample,
        pods_only=options.pods_only,
        kubelet=False if options.no_kubelet else True if options.kubelet else None,
        start=not options.no_start,
        force=options.force,
    )


def _program() -> str:
    """Return the program that runs, as the unit would have to start it."""
    program = Path(sys.argv[0])
    return str(program.absolute()) if program.name == "cri-shim" else _PROGRAM


def _say(lines: Iterable[str], to: object = None) -> None:
    for line in lines:
        print(line, file=to or sys.stdout)  # type: ignore[arg-type]
