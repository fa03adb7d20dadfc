"""The part of the checks without which a daemon must not start: it makes them by the same functions and texts.

The locks that exclude a second daemon are not read here but taken (:mod:`cri_shim.daemon.endpoint`): a reading could be
outdated before the daemon acts on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.doctor.checks.directories import judge_usable, read_directories, read_socket
from cri_shim.doctor.checks.rights import root_needed
from cri_shim.doctor.facts.code import Finding

if TYPE_CHECKING:
    from cri_shim.config import Config
    from cri_shim.doctor.facts.place import Place


def reason_not_to_start(config: Config, place: Place) -> str:
    """Return why the daemon cannot start, and what to do; empty if it can. Blocks."""
    if reason := root_needed(place.uid):
        return reason
    own = read_directories([("root", config.root), ("state", config.state)], place)
    own.append(read_socket(config.socket_path, place))
    errors = (each for each in judge_usable(own, place) if isinstance(each, Finding) and each.severity == "error")
    return next(("; ".join((error.what, *error.remedy)) for error in errors), "")
