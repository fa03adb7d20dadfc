"""A container from a checkpoint is refused in words that say so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from cri_shim.errors import UnimplementedError
from cri_shim.lifecycle.checkpoint.checkpoint_refusal import refuse_archive, refuse_checkpoint_image

if TYPE_CHECKING:
    from pathlib import Path


def test_the_path_of_a_file(tmp_path: Path) -> None:
    """Nothing that is named like that can be an image."""
    (tmp_path / "a.tar").touch()
    with pytest.raises(UnimplementedError, match="is a file on this node"):
        refuse_archive(str(tmp_path / "a.tar"))


@pytest.mark.parametrize("reference", ["busybox", "docker.io/library/busybox:1", "{tmp}/none.tar", "a.tar"])
def test_what_may_be_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str) -> None:
    """A name, and the path of a file that is not there, are for the image store to judge."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tar").touch()
    refuse_archive(reference.format(tmp=tmp_path))


def test_an_image_that_holds_a_checkpoint() -> None:
    """It is refused by what it holds; other images pass."""
    image: Any = SimpleNamespace(checkpoint=False)
    refuse_checkpoint_image("a", cast("Any", image))
    image.checkpoint = True
    with pytest.raises(UnimplementedError, match="is the checkpoint of a container"):
        refuse_checkpoint_image("a", image)
