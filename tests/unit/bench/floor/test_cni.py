"""CNI by hand: the order of the plugins, what each is given, and what is said when one fails."""

from __future__ import annotations

import json

import pytest

from cri_shim.bench.floor.cni import Attachment
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.stages import Stages
from tests.unit.bench.floor.made_up import called, recipe, write_plugin


def attachment(tmp_path) -> Attachment:
    return Attachment(recipe(tmp_path).network, "floor-1-0", tmp_path / "ns" / "net")


def test_forwards_to_attach_and_backwards_to_detach(tmp_path):
    """Each ADD has the result of the one before; each DEL has the last result; all have the list's name."""
    for name in ("first", "second"):
        write_plugin(tmp_path, name)
    stages, attached = Stages(), attachment(tmp_path)
    attached.add(stages)
    attached.remove(stages)
    asked = called(tmp_path)
    assert [words[:2] for words in asked] == [["first", "ADD"], ["second", "ADD"], ["second", "DEL"], ["first", "DEL"]]
    assert {tuple(words[2:4]) for words in asked} == {("floor-1-0", "eth0")}
    given = [json.loads(words[4]) for words in asked]
    assert [one.get("prevResult", {}).get("by") for one in given] == [None, "first", "second", "second"]
    assert all((one["name"], one["cniVersion"]) == ("net", "1.0.0") for one in given)
    assert [one["own"] for one in given] == ["first", "second", "second", "first"]
    assert list(stages.ms) == ["CNI ADD first", "CNI ADD second", "CNI DEL second", "CNI DEL first"]
    assert all(ms > 0 for ms in stages.ms.values())


def test_what_a_plugin_says_when_it_fails_is_reported(tmp_path):
    """The error names the command and the plugin; those after it are not run."""
    write_plugin(tmp_path, "first", fails_at="ADD")
    write_plugin(tmp_path, "second")
    with pytest.raises(FloorError, match=r"CNI ADD of first failed: .*no more addresses"):
        attachment(tmp_path).add(Stages())
    assert [words[:2] for words in called(tmp_path)] == [["first", "ADD"]]


def test_a_missing_plugin_is_named_with_what_to_do(tmp_path):
    """And no path out of the folders is taken."""
    write_plugin(tmp_path, "first")
    with pytest.raises(FloorError, match=r"the CNI plugin second is not in .*--cni-bin-dir"):
        attachment(tmp_path).add(Stages())
    with pytest.raises(FloorError, match="is not in"):
        Attachment(recipe(tmp_path, ("/bin/true",)).network, "p", tmp_path).add(Stages())


def test_a_pod_without_an_address_is_no_pod(tmp_path):
    """A chain that attaches nothing would make the floor too low."""
    write_plugin(tmp_path, "first")
    write_plugin(tmp_path, "second", answer='{"cniVersion":"1.0.0"}')
    with pytest.raises(FloorError, match="gave the pod no address"):
        attachment(tmp_path).add(Stages())


def test_a_plugin_that_cannot_detach_does_not_keep_the_others_from_it(tmp_path):
    """The address is given back though the last plugin of the chain fails, and the failure is reported."""
    write_plugin(tmp_path, "first")
    write_plugin(tmp_path, "second", fails_at="DEL")
    with pytest.raises(FloorError, match="CNI DEL of second failed"):
        attachment(tmp_path).remove(Stages())
    assert [words[:2] for words in called(tmp_path)] == [["second", "DEL"], ["first", "DEL"]]
