"""Make the process of a container: arguments, environment, directory, terminal.

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
    """Return the argument vector of a container.

    A command in the request replaces both entrypoint and cmd of the image; arguments alone replace only its cmd. Some
    builders write "no entrypoint" as a single empty string. Raises :class:`~cri_shim.errors.InvalidArgumentError` if
    there is nothing to run.
    """
    if command:
        return [*command, *args]
    entrypoint = () if image.entrypoint == ("",) else image.entrypoint
    result = [*entrypoint, *(args or image.cmd)]
    if not result:
        raise InvalidArgumentError("no command to run: neither the request nor the image names one")
    return result


def merge_env(*layers: Iterable[str]) -> list[str]:
    """Merge environments, later ones winning; a variable keeps the position of its first occurrence.

    An entry is ``KEY=value``; an entry without ``=`` removes the variable.
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
    """Check for values that no OCI runtime could start; raises InvalidArgumentError.

    The process combines request and image. A runtime quotes a rejected value in its error, and its shim waits forever
    if the error is larger than a pipe: a program name of 70 kB would block the shim of the pod.
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
    """Check a command for an impossible program name and for NUL characters; raises InvalidArgumentError."""
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
    """Return the process spec of a command inside a container whose own process is ``process``.

    The command has the container's user, capabilities, limits, directory and environment. Raises
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
