"""Run ``cri-shim setup --undo``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cri_shim.doctor.facts.unit_files import unit_file
from cri_shim.setup.confirm import confirmed
from cri_shim.setup.containerd_unit import UNIT as CONTAINERD_UNIT
from cri_shim.setup.journal import EnabledService
from cri_shim.setup.show import ARGUMENTS, by_hand_lines, command_text, remark_lines
from cri_shim.setup.systemd import SystemdError, run_arguments, run_command
from cri_shim.setup.undo import finish, take_back, undo_commands, undo_plan
from untrusted import escaped

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from cri_shim.setup.journal import Journal
    from cri_shim.setup.undo import UndoStep


def undo(options: argparse.Namespace, root: Path, journal: Journal, *, systemd: bool) -> int:
    """Show and take back what the journal has; return 0, or 1 if something stays.

    Raises OSError and :class:`~cri_shim.setup.systemd.SystemdError`.
    """
    steps = undo_plan(journal.entries, root, force=options.force)
    # What an earlier undo, or the set-up, has not come to. A containerd that systemd does not know cannot be restarted.
    without = {"enable"} if unit_file(root, CONTAINERD_UNIT) else {"enable", "restart-containerd"}
    wanted = dict.fromkeys((*undo_commands(steps), *journal.pending))
    commands = tuple(one for one in wanted if one not in without)
    if not steps and not commands:
        print("nothing to undo: no set-up is recorded on this node")
        return 0
    live = systemd and not options.no_start
    shown = [text for step in steps for text in _shown(step, live=live)]
    shown += [command_text(ARGUMENTS[command], by_hand=not live) for command in commands]
    for number, text in enumerate(shown, 1):
        print(f"{number:>3}. {escaped(text, 1000)}")
    if any(isinstance(step.entry, EnabledService) and not step.entry.active for step in steps):
        print("note: pods keep running, but no kubelet reaches them then: drain this node first")
    if options.dry_run:
        return 0
    refused = confirmed(yes=options.yes)
    if refused:
        return refused
    journal.note_pending(commands if systemd else ())
    remarks: list[str] = []
    by_hand: list[tuple[str, ...]] = []
    for step in steps:
        if isinstance(step.entry, EnabledService):
            if live:
                _stop(step.entry, root)
            else:
                by_hand += _stopping(step.entry)
            journal.drop(step.entry)
        remark = take_back(step, root, journal)
        remarks += [remark] if remark else []
    for command in commands:
        if live:
            run_command(command)
            journal.ran(command)
        else:
            by_hand.append(ARGUMENTS[command])
    if not live:
        journal.note_pending(())
    finish(journal)
    for line in (*by_hand_lines(by_hand), *remark_lines("note", remarks)):
        print(line)
    stays = [step.text for step in steps if step.kind == "refuse"]
    for line in remark_lines("not undone", stays):
        print(line, file=sys.stderr)
    return 1 if stays else 0


def _shown(step: UndoStep, *, live: bool) -> list[str]:
    if live or not isinstance(step.entry, EnabledService):
        return [step.text]
    return [command_text(arguments, by_hand=True) for arguments in _stopping(step.entry)]


def _stopping(service: EnabledService) -> list[tuple[str, ...]]:
    """Return the commands that stop and disable the service as far as it was not so before the set-up."""
    verbs = [verb for verb, was in (("stop", service.active), ("disable", service.enabled)) if not was]
    return [("systemctl", verb, service.unit) for verb in verbs]


def _stop(service: EnabledService, root: Path) -> None:
    for arguments in _stopping(service):
        try:
            run_arguments(arguments)
        except SystemdError:
            if unit_file(root, service.unit):
                raise
            # Others have removed the unit: there is nothing to stop.
