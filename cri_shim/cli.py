"""The command ``cri-shim``: run the daemon, show the configuration, load images, read the ledger, compare runtimes.

The value of a setting comes from its flag, else from the file, else from its default. Each command imports heavy
modules only when it needs them: ``config check`` must be quick and must work without containerd.
"""

from __future__ import annotations

import argparse
import errno
import os
import platform
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import cri_shim
from cri_shim.bench.arguments import add_compare
from cri_shim.completion.arguments import add_completion
from cri_shim.config import DEFAULT_PATH, Config, ConfigError, Flag, default_toml, load, to_toml
from cri_shim.config.containerd.arguments import add_import
from cri_shim.daemon import early_signals
from cri_shim.doctor.arguments import add_doctor
from cri_shim.setup.arguments import add_setup
from cri_shim.terminal.arguments import add_hops, add_status
from cri_shim.wipe.arguments import add_wipe

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 128 + signal.SIGINT
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of writing into a file that takes no more, as output that goes to a full disk does."""
_OOM_SCORE = Path("/proc/self/oom_score_adj")

# Flags of `serve`, by the key that each sets. `config dump` takes the same flags and shows the settings that they
# result in.
_FLAGS = (
    ("--log-level", "log_level", "LEVEL", "debug, info, warning or error"),
    ("--log-format", "log_format", "FORMAT", "logfmt, json or console"),
    ("--socket-path", "socket_path", "PATH", "the socket to serve CRI on"),
    ("--containerd-address", "containerd.address", "PATH", "containerd's socket"),
)

_LOAD = (
    "Load the images of an archive (of `docker save`, `skopeo copy … oci-archive:`, `ctr images export`) into "
    "containerd, unpacked and under their names. The archive is read once, so it may be a pipe; gzip is supported."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code: 0 for success, 1 for failure, 2 for wrong usage."""
    _open_closed_streams()
    options = argparse.Namespace(run=None)
    try:
        _parse(arguments, options)
        code = int(options.run(options))
        sys.stdout.flush()
    except ConfigError as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _complain("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has closed our standard output, as `| head` does.
        _discard_output()
        return 1
    except OSError as error:
        if error.errno not in _FULL or options.run is _serve:
            raise
        _discard_output()
        _complain(f"cannot write: {error.strerror}")
        return 1
    return code


def _parse(arguments: Sequence[str] | None, options: argparse.Namespace) -> None:
    """Set the ``options``; raises SystemExit after ``--help`` and ``--version``, once their text is written."""
    try:
        make_parser().parse_args(arguments, options)
    except SystemExit:
        sys.stdout.flush()
        raise


def _complain(text: str) -> None:
    """Print to standard error; a failure of that has nowhere to go, and the exit code says enough."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def _open_closed_streams() -> None:
    """Write to nowhere what would go to a closed stream, as after `>&-`: the exit code has a meaning without it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - stays open


def _discard_output() -> None:
    """Write to nowhere what standard output and standard error do not take, whichever of them it was.

    Otherwise the interpreter tries again at its end, reports that it cannot, and exits with a code of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _discard(stream)


def _discard(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; completion and manual are generated from it."""
    parser = argparse.ArgumentParser(
        prog="cri-shim", description="Serve the Kubernetes CRI on a unix socket, in front of an unmodified containerd."
    )
    parser.add_argument("--version", action="version", version=_version_line())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="run the daemon", description="Run the daemon until SIGTERM.")
    _add_settings(serve)
    serve.set_defaults(run=_serve)

    config = commands.add_parser("config", help="show, check or import a configuration")
    actions = config.add_subparsers(metavar="ACTION", required=True)
    default = actions.add_parser("default", help="print a file with every key and its default")
    default.set_defaults(run=_config_default)
    check = actions.add_parser("check", help="read a file and print everything that is wrong with it")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=_config_check)
    add_import(actions)
    dump = actions.add_parser("dump", help="print the settings that `serve` would use")
    _add_settings(dump)
    dump.set_defaults(run=_config_dump)

    image = commands.add_parser("image", help="work with containerd's images, without the daemon")
    actions = image.add_subparsers(metavar="ACTION", required=True)
    load_image = actions.add_parser(
        "load", help="store, unpack and record the images of an OCI or docker archive", description=_LOAD
    )
    _add_settings(load_image)
    load_image.add_argument("file", metavar="FILE.tar", help="the archive; - reads standard input")
    load_image.set_defaults(run=_image_load)

    add_doctor(commands, _add_settings, _settings)
    add_hops(commands, _add_settings, _settings)
    add_status(commands, _add_settings, _settings)
    add_compare(commands)
    add_setup(commands)
    add_wipe(commands, _add_settings, _settings)

    add_completion(commands, parser)
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_version)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"configuration file (default: {DEFAULT_PATH}, if it exists)"
    )
    for flag, key, value, what in _FLAGS:
        parser.add_argument(flag, dest=key, metavar=value, help=f"{what}; overrides {key} in the file")


def _settings(options: argparse.Namespace) -> Config:
    given = ((flag, key, getattr(options, key)) for flag, key, _, _ in _FLAGS)
    flags = [Flag(flag, key, value) for flag, key, value in given if value is not None]
    return _load(options.config, flags)


def _load(path: Path | None, flags: Sequence[Flag] = ()) -> Config:
    """Return the settings; of a file that is containerd's, say that instead of every key that is unknown in it.

    Raises ConfigError.
    """
    try:
        return load(path, flags=flags)
    except ConfigError as error:
        from cri_shim.config.containerd.recognise import problem_of  # noqa: PLC0415 - only for a mistake

        raise problem_of(path or DEFAULT_PATH) or error from None


def _serve(options: argparse.Namespace) -> int:
    early_signals.hold()  # anew, because a SIGHUP from before is obeyed by reading the configuration now
    config = _settings(options)
    # grpc's fork handlers slow down, and sometimes hang, a process that starts children; this process forks only to
    # exec.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    # With this, each waiting call polls for its messages itself instead of being woken by threads of grpc
    # (docs/adr/0020).
    os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
    from cri_shim.daemon import daemon, logging_setup  # noqa: PLC0415 - imports grpc, which must see the variables above

    logging_setup.configure(config.log_level, config.log_format)
    _set_oom_score(config.oom_score)
    return int(daemon.serve(config, partial(_settings, options)))


def _set_oom_score(score: int) -> None:
    """Set this process's OOM score; with 0, keep the score that the service manager has set."""
    import structlog  # noqa: PLC0415 - only the daemon logs

    if score == 0:
        return
    try:
        _OOM_SCORE.write_text(str(score), encoding="ascii")
    except OSError as error:
        structlog.get_logger(__name__).warning("oom_score.not_set", oom_score=score, error=error.strerror)


def _config_default(_options: argparse.Namespace) -> int:
    sys.stdout.write(default_toml())
    return 0


def _config_check(options: argparse.Namespace) -> int:
    _load(options.file)
    print(f"{options.file}: ok")
    return 0


def _config_dump(options: argparse.Namespace) -> int:
    sys.stdout.write(to_toml(_settings(options)))
    return 0


def _image_load(options: argparse.Namespace) -> int:
    config = _settings(options)
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    from cri_shim.images import load_command  # noqa: PLC0415 - imports grpc, which must see the variable above

    return int(load_command.run(config.containerd, options.file))


def _version(_options: argparse.Namespace) -> int:
    print(_version_line())
    return 0


def _version_line() -> str:
    return f"cri-shim {cri_shim.__version__} (Python {platform.python_version()})"


if __name__ == "__main__":
    sys.exit(main())
