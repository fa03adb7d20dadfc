"""The programs behind each runtime handler: the shim that containerd starts, and the OCI runtime that the shim starts.

containerd searches its own PATH for the shim, and then the directory of its own program (runtime/v2 of its sources,
``resolveRuntimePath``). The shim has containerd's environment, so the OCI runtime is searched on the same PATH.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.programs import Searched, folder_of_program, path_of_process, search, usual_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cri_shim.config import Config, RuntimeHandler
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

SHIM_MISSING = Code(
    "shim-missing", "error", "containerd has no shim for a runtime handler", "each runtime handler has its shim"
)
RUNTIME_MISSING = Code(
    "runtime-missing", "error", "a handler's OCI runtime is missing", "each runtime handler has its OCI runtime"
)
CODES: Final = (SHIM_MISSING, RUNTIME_MISSING)

_PACKAGES: Final = {"runc": "runc", "crun": "crun"}
_RUNC_SHIM: Final = "io.containerd.runc."


class HandlerPrograms(Struct, frozen=True):
    """The programs of one handler; ``runtime`` is None if the shim is not runc's and so has no such program."""

    handler: str
    shim_name: str
    shim: Searched
    runtime_name: str = ""
    runtime: Searched | None = None


class Programs(Struct, frozen=True):
    """The programs of all handlers, and where they were searched."""

    handlers: tuple[HandlerPrograms, ...]
    directories: tuple[str, ...]
    containerds: bool
    """Whether the directories are containerd's; if not, they are this process's, and it may have others."""
    hidden: bool = False
    """Whether this user may not see containerd's."""


def shim_of(runtime_type: str) -> str:
    """Return the name of the program for a runtime type: ``io.containerd.runc.v2`` is containerd-shim-runc-v2."""
    parts = runtime_type.split(".")
    return f"containerd-shim-{parts[-2]}-{parts[-1]}" if len(parts) > 1 else ""


def read_programs(config: Config, place: Place, containerd: int) -> Programs:
    """Search the programs of all handlers; ``containerd`` is its process, 0 if unknown. Blocks."""
    theirs = path_of_process(containerd, place) if containerd else None
    directories = usual_path() if theirs is None else theirs
    beside = folder_of_program(containerd, place) if containerd else ""
    handlers = tuple(_programs(handler, directories, beside, place) for handler in config.containerd.runtimes.values())
    return Programs(
        handlers, directories, theirs is not None, bool(containerd) and theirs is None and not place.is_root
    )


def _programs(handler: RuntimeHandler, directories: Sequence[str], beside: str, place: Place) -> HandlerPrograms:
    shim_name = handler.runtime_path or shim_of(handler.runtime_type)
    shim = search(shim_name, [*directories, *([beside] if beside else [])], place)
    if not handler.runtime_type.startswith(_RUNC_SHIM):
        return HandlerPrograms(handler.name, shim_name, shim)
    name = handler.options.binary_name or "runc"
    return HandlerPrograms(handler.name, shim_name, shim, name, search(name, directories, place))


def judge_programs(programs: Programs, place: Place) -> Iterator[Outcome]:
    """Report each handler whose shim or OCI runtime is missing or cannot be executed."""
    whose = "containerd's PATH" if programs.containerds else "this shell's PATH (containerd's could not be read)"
    where = f"{whose}: {', '.join(programs.directories) or 'which is empty'}"
    for each in programs.handlers:
        if each.shim.forbidden or (programs.hidden and not each.shim.path):
            obstacle = _obstacle(each.shim, each.shim_name, where)
            yield SHIM_MISSING.unknown(f"runtime handler {each.handler}: {obstacle}", place.sudo())
        elif not each.shim.path:
            yield SHIM_MISSING.report(
                f"runtime handler {each.handler}: {_obstacle(each.shim, each.shim_name, where)}",
                *_install(each.shim_name, "containerd"),
                f"or set containerd.runtimes.{each.handler}.runtime_path in the configuration to a shim that exists",
            )
        if each.runtime is None or each.runtime.path:
            continue
        if each.runtime.forbidden or programs.hidden:
            obstacle = _obstacle(each.runtime, each.runtime_name, where)
            yield RUNTIME_MISSING.unknown(f"runtime handler {each.handler}: {obstacle}", place.sudo())
        else:
            yield RUNTIME_MISSING.report(
                f"runtime handler {each.handler}: {_obstacle(each.runtime, each.runtime_name, where)}",
                *_install(each.runtime_name, _PACKAGES.get(each.runtime_name, "")),
                f"or set containerd.runtimes.{each.handler}.options.BinaryName in the configuration to a program that "
                "exists",
            )


def _obstacle(searched: Searched, name: str, where: str) -> str:
    return searched.obstacle or f"there is no program {name} on {where}"


def _install(name: str, package: str) -> tuple[str, ...]:
    return (f"$ apt install {package}",) if package and "/" not in name else ()
