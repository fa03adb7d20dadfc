"""Drive the script's process: a variant goes in, the time that it took comes out."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Self

import msgspec

from cri_shim.bench.floor import recipe
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.leftovers import remove_leftovers
from cri_shim.bench.floor.recipe import Outcome
from untrusted import escaped

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.bench.floor.recipe import Recipe, Variant

PATIENCE = 120.0
"""Seconds for one pod, and for the script to remove everything when it ends."""
_SHOWN = 500


class FloorProcess:
    """``async with`` runs the script; what killed ones have left is removed first."""

    def __init__(self, what: Recipe, directory: Path, states: Path = recipe.STATES) -> None:
        """Choose what its pods are made of; ``directory`` gets the recipe and the script's error output."""
        self._recipe = what
        self._directory = directory
        self._states = states
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it in a session of its own: Ctrl-C is for the comparison, which then ends the script."""
        wrong = await asyncio.to_thread(remove_leftovers, self._states)
        if wrong:
            raise FloorError(wrong[0])
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._directory / "recipe.json"
        recipe.save(self._recipe, file)
        with self._errors.open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "cri_shim.bench.floor", str(file), str(self._states)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its input; it then removes what it has made and ends."""
        if self._process is None:
            return
        if self._process.stdin:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), PATIENCE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            await asyncio.to_thread(remove_leftovers, self._states)

    async def make_pod(self, variant: Variant) -> Outcome:
        """Let it make and remove a pod. Raises `FloorError` when that fails."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise FloorError("the script of the floor does not run")
        process.stdin.write(msgspec.json.encode(variant) + b"\n")
        try:
            answer = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        except TimeoutError as error:
            raise FloorError(f"the script of the floor made no pod within {PATIENCE:g} s") from error
        if not answer:
            raise FloorError(f"the script of the floor ended: {self._last_words()}")
        outcome = msgspec.json.decode(answer, type=Outcome)
        if outcome.error:
            raise FloorError(outcome.error)
        return outcome

    @property
    def _errors(self) -> Path:
        return self._directory / "floor.err"

    def _last_words(self) -> str:
        lines = self._errors.read_text(errors="replace").splitlines()
        return escaped(lines[-1])[:_SHOWN] if lines else "it said nothing"
