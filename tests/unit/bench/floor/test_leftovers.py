"""The folder of a script: its own while it runs, and removed by the next one when it was killed."""

from __future__ import annotations

import os

import pytest

from cri_shim.bench.floor import leftovers
from cri_shim.bench.floor.recipe import load, save
from tests.unit.bench.floor.made_up import called, recipe, write_plugin


def test_the_folder_of_one_that_runs_is_left_alone(tmp_path):
    """It is locked, has the recipe, and is gone with all others when the script ends."""
    states = tmp_path / "states"
    with leftovers.own_folder(recipe(tmp_path), states) as state:
        assert state == states / str(os.getpid())
        assert load(state / leftovers.RECIPE) == recipe(tmp_path)
        assert leftovers.remove_leftovers(states) == []
        assert state.exists()
    assert not states.exists()


def test_what_a_killed_one_has_left_is_removed(tmp_path):
    """Its pods are detached from the network, their layers removed, and its folder."""
    for name in ("first", "second"):
        write_plugin(tmp_path, name)
    state = tmp_path / "states" / "7"
    pod, layers = state / "pods" / "floor-7-0", tmp_path / "disk" / "floor-7-0"
    (pod / "ns").mkdir(parents=True)
    (pod / "ns" / "net").touch()
    (layers / "container" / "upper").mkdir(parents=True)
    save(recipe(tmp_path), state / leftovers.RECIPE)
    assert leftovers.remove_leftovers(tmp_path / "states") == []
    assert [words[:3] for words in called(tmp_path)] == [["second", "DEL", "floor-7-0"], ["first", "DEL", "floor-7-0"]]
    assert not state.exists()
    assert not layers.exists()


def test_one_that_was_killed_before_it_began_leaves_a_folder(tmp_path):
    """Which has no recipe, so nothing was made by it."""
    (tmp_path / "states" / "7").mkdir(parents=True)
    assert leftovers.remove_leftovers(tmp_path / "states") == []
    assert not (tmp_path / "states" / "7").exists()


@pytest.mark.parametrize("text", ["{", "{}"])
def test_a_recipe_that_cannot_be_read_is_named(tmp_path, text):
    """The folder stays, because what it says has to be removed is not known."""
    state = tmp_path / "states" / "7"
    state.mkdir(parents=True)
    (state / leftovers.RECIPE).write_text(text)
    (wrong,) = leftovers.remove_leftovers(tmp_path / "states")
    assert str(state) in wrong
    assert "cannot be removed" in wrong


def test_there_may_be_nothing_at_all(tmp_path):
    """No folder of scripts: no script has been killed."""
    assert leftovers.remove_leftovers(tmp_path / "none") == []
