"""Read the files of ``deploy/systemd`` that a set-up installs.

``deploy/`` is the place where they are kept. The build of a wheel copies them into this package
(proto/compile.py, the build hook); an editable installation reads them where they are.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_IN_CHECKOUT: Final = Path(__file__).resolve().parents[2] / "deploy" / "systemd"


def shipped(name: str) -> str:
    """Return the text of one file; ``name`` is its path below ``deploy/systemd``."""
    installed: Traversable = files("cri_shim.setup").joinpath("files")
    place = installed if installed.is_dir() else _IN_CHECKOUT
    return place.joinpath(*name.split("/")).read_text(encoding="utf-8")
