"""What runs in the container: arguments, environment, directory, terminal.

Source: CRI ``ContainerConfig`` (``command`` replaces the image's entrypoint, ``args`` its cmd), as containerd's
``WithProcessArgs`` and ``WithEnv`` read it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.path_checks import LONGEST_PATH, path_problem
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cri_shim.oci.defaults import Spec
    from cri_shim.oci.image_config import ImageConfig

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def process_args(command: Sequence[str], args: Sequence[str], image: ImageConfig) -> list[str]:
    """Give the argument vector of a container.

    A command of the request hides both entrypoint and cmd of the image; arguments alone hide only its cmd. An
    entrypoint of one empty string is how some builders say "none". Raises
    :class:`~cri_shim.errors.InvalidArgumentError` where nothing is left to run.
    """
    if command:
        return [*command, *args]
    entrypoint = () if image.entrypoint == ("",) else image.entrypoint
    result = [*entrypoint, *(args or image.cmd)]
    if not result:
        raise InvalidArgumentError("no command to run: neither the request nor the image names one")
    return result


def merge_env(*layers: Iterable[str]) -> list[str]:
    """Put environments over each other, later ones winning; a variable keeps the place where it first came up.

    An entry is ``KEY=value``; one without ``=`` takes the variable away.
    """
    merged: dict[str, str] = {}
    for entry in (entry for layer in layers for entry in layer):
        key, equals, _ = entry.partition("=")
        if equals:
            merged[key] = entry
        else:
            merged.pop(key, None)
    return list(merged.values())


def check_process(process: Spec) -> None:
    """Refuse a process that no OCI runtime could start, with InvalidArgumentError.

    Request and image were put together in it. A runtime repeats what it refuses in its error, and its shim waits for
    ever once that is larger than a pipe: a program's name of 70 kB would cost the pod its shim.
    """
    check_command(process["args"])
    problem = path_problem(process["cwd"])
    if problem:
        raise InvalidArgumentError(f"working directory '{escaped(process['cwd'])}' {problem}")
    for entry in process["env"]:
        name = entry.partition("=")[0]
        if not name or "\0" in entry:
            what = "contains a NUL character" if name else "has no name"
            raise InvalidArgumentError(f"environment variable '{escaped(name)}' of the image or request {what}")


def check_command(args: Sequence[str]) -> None:
    """Refuse a command whose program can have no such name, or with a NUL in it, with InvalidArgumentError."""
    size = len(args[0].encode())
    if size > LONGEST_PATH:
        raise InvalidArgumentError(
            f"the program '{escaped(args[0], 64)}' has a name of {size} bytes; a path has at most {LONGEST_PATH}"
        )
    for number, argument in enumerate(args):
        if "\0" in argument:
            raise InvalidArgumentError(
                f"argument {number} of the command, '{escaped(argument)}', contains a NUL character"
            )


def exec_process(process: Spec, args: Sequence[str], *, tty: bool) -> Spec:
    """Give the process spec of a command run inside a container whose own ``process`` this is.

    It has the container's user, capabilities, limits, directory and environment. Raises
    :class:`~cri_shim.errors.InvalidArgumentError` for an empty command.
    """
    if not args:
        raise InvalidArgumentError("the command to execute is empty")
    check_command(args)
    result = copy.deepcopy(process)
    result["args"] = list(args)
    result["terminal"] = tty
    result.pop("consoleSize", None)
    result.pop("commandLine", None)
    if tty:
        result["env"] = merge_env(result.get("env", ()), ["TERM=xterm"])
    return result
