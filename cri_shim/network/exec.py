"""Run one CNI plugin: environment, configuration on stdin, result or error on stdout.

Source: the CNI specification, "Execution protocol" and "Error". In the project's words each plugin run is a helper, and
every run is reported to ``on_helper``, failed ones too.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from cri_shim.kernel.process import OUTPUT_LIMIT, Completed, run_program
from cri_shim.network.errors import CniError, ProgramMissingError
from cri_shim.os_errors import cri_error_of
from untrusted import DocumentError, decode_utf8, parse_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BUSY_TRIES: Final = 5
_BUSY_PAUSE: Final = 0.5  # seconds; a plugin being replaced is open for writing for a moment (ETXTBSY)
_TAIL: Final = 400  # how much of a plugin's stderr an error shows, in characters
NOT_STARTED: Final = 127
_CHANGES: Final = {"ADD", "DEL"}
_NO_PROGRAM: Final = {errno.EACCES, errno.ENOEXEC, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EPERM}


class Helper(Struct, frozen=True):
    """One run of a program: the plugin's name, CNI_COMMAND, start (perf_counter), duration (s) and exit code.

    Exit code 127 means that the program could not be started, and a negative one is the signal that ended it (-9: our
    timeout). None means that the program still runs, and that the duration is the time so far.
    """

    name: str
    command: str
    started: float
    duration: float
    exit_code: int | None


class PluginExec:
    """Finds plugins in the given directories and runs them."""

    def __init__(
        self,
        bin_dirs: tuple[str, ...],
        on_helper: Callable[[Helper], None] | None = None,
        on_run: Callable[[str, str], None] | None = None,
    ) -> None:
        """Take the directories to search and the callbacks to notify.

        ``on_run`` is called with plugin and command when a run begins, ``on_helper`` with the record when the run has
        ended.
        """
        self._on_helper = on_helper
        self._on_run = on_run
        self.search(bin_dirs)

    def search(self, bin_dirs: tuple[str, ...]) -> None:
        """Find plugins in these directories from now on."""
        self._bin_dirs = bin_dirs
        # Plugins call programs such as iptables, so they get our own environment. It does not change while we run.
        self._environment = {**os.environ, "CNI_PATH": ":".join(bin_dirs)}

    async def run(
        self, plugin: str, command: str, variables: Mapping[str, str], conf: Mapping[str, Any], *, time_limit: float
    ) -> bytes:
        """Run ``plugin`` with CNI_COMMAND=``command``, other CNI_* ``variables`` and ``conf`` on stdin; return stdout.

        Raises ``CniError`` if the plugin is missing, reports an error, exits with an error but without output, exceeds
        ``time_limit`` (seconds), or prints more than a result can have. When the caller is cancelled, the program of an
        ADD or DEL runs on.
        """
        env = {**self._environment, **variables, "CNI_COMMAND": command}
        stdin = json.dumps(conf, separators=(",", ":"), sort_keys=True).encode()  # sorted, as libcni writes it
        started = time.perf_counter()
        exit_code = NOT_STARTED
        if self._on_run is not None:
            self._on_run(plugin, command)
        try:
            completed = await self._run_program(plugin, command, env, stdin, time_limit)
            exit_code = completed.exit_code
        except TimeoutError:
            exit_code = -9
            raise CniError(plugin, command, f"no answer within {time_limit:g} s, killed") from None
        finally:
            if self._on_helper is not None:
                self._on_helper(Helper(plugin, command, started, time.perf_counter() - started, exit_code))
        if exit_code != 0:
            raise plugin_error(plugin, command, completed)
        if len(completed.stdout) >= OUTPUT_LIMIT:
            raise CniError(plugin, command, f"it printed at least {OUTPUT_LIMIT} bytes, too many for a result")
        return completed.stdout

    async def _run_program(
        self, plugin: str, command: str, env: Mapping[str, str], stdin: bytes, time_limit: float
    ) -> Completed:
        # Trying to start it is the search: a stat before that would only report what the start reports anyway.
        unusable = ""
        for directory in self._bin_dirs:
            path = f"{directory}/{plugin}"
            for attempt in range(_BUSY_TRIES):
                try:
                    return await run_program(
                        [path], env, stdin, time_limit=time_limit, outlives_caller=command in _CHANGES
                    )
                except (FileNotFoundError, NotADirectoryError):
                    break
                except TimeoutError:
                    raise
                except ValueError as error:  # a NUL in a value of the pod or the configuration
                    raise CniError(plugin, command, f"it cannot be given its environment: {error}") from error
                except OSError as error:
                    reason = f"cannot run {path}: {(error.strerror or str(error)).lower()}"
                    if error.errno in _NO_PROGRAM:
                        unusable = unusable or reason
                        break
                    if not isinstance(error, BlockingIOError) and error.errno != errno.ETXTBSY:
                        raise _refused(plugin, command, path, error) from error
                    if attempt == _BUSY_TRIES - 1:
                        raise CniError(plugin, command, f"{path} stays open for writing") from error
                    await asyncio.sleep(_BUSY_PAUSE)
        searched = ", ".join(self._bin_dirs) or "any bin_dir"
        raise ProgramMissingError(plugin, command, unusable or f"no such program in {searched}")


def _refused(plugin: str, command: str, path: str, error: OSError) -> CniError:
    """Return the error for a program that exists and that the operating system does not start.

    It says why and what to do, and has the gRPC code that fits.
    """
    refused = cri_error_of(OSError(error.errno, error.strerror, path))
    result = CniError(plugin, command, f"cannot run {refused}")
    result.code = refused.code
    return result


def plugin_error(plugin: str, command: str, completed: Completed) -> CniError:
    """Return the error of a failed plugin: from its error object, else from the end of what it printed."""
    try:
        said = parse_object(completed.stdout)
        message, code, details = said.text("msg"), said.integer("code"), said.text("details")
    except DocumentError:
        message = ""
    if message:
        return CniError(plugin, command, message, code=code, details=details)
    printed = decode_utf8(completed.stderr.strip() or completed.stdout.strip())[-_TAIL:]
    how = f"exit code {completed.exit_code}" if completed.exit_code >= 0 else f"signal {-completed.exit_code}"
    return CniError(plugin, command, f"{how}: {printed}" if printed else f"{how} without output")
