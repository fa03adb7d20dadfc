"""The picture and the page show the rooms as the imports are, and a stale one is reported."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from checks import picture
from checks.floors import read_plan
from checks.room_page import write_page
from checks.svg_picture import draw

HOUSE = {
    "cri_shim/__init__.py": "",
    "cri_shim/cli.py": '"""The commands."""\nimport cri_shim.rpc.start\nimport cri_shim.errors\n',
    "cri_shim/rpc/__init__.py": '"""Every RPC.\n\nIt may import anything ``below``; it must never block."""\n',
    "cri_shim/rpc/start.py": "import cri_shim.state.stored.spec\nimport containerd_client\nimport cri_shim.errors\n",
    "cri_shim/state/__init__.py": '"""Values."""\n',
    "cri_shim/state/stored/__init__.py": '"""Stored values."""\nimport cri_shim.errors\n',
    "cri_shim/state/stored/spec.py": "",
    "cri_shim/errors.py": '"""Errors\nof all kinds.\n\nMore."""\n',
    "containerd_client/__init__.py": '"""A client."""\n',
    "tests/test_a.py": "import cri_shim.cli\n",
}


def test_a_room_stands_above_what_it_imports(checkout):
    plan = read_plan(checkout(HOUSE))
    assert [[room.name for room in floor] for floor in plan.floors] == [
        ["containerd_client", "errors"],
        ["state"],
        ["rpc"],
        ["cli"],
    ]
    assert plan.floors[1][0].inner == ("stored",)
    assert not plan.floors[3][0].folder


def test_imports_that_follow_from_others_are_left_out(checkout):
    """``cli`` imports ``errors``, and so does ``rpc``, but both reach it by ``state``."""
    assert read_plan(checkout(HOUSE)).stairs == (
        ("cli", "rpc"),
        ("rpc", "containerd_client"),
        ("rpc", "state"),
        ("state", "errors"),
    )


def test_rooms_in_a_circle_have_no_floors(checkout):
    repository = checkout({**HOUSE, "cri_shim/state/index.py": "import cri_shim.cli\n"})
    with pytest.raises(ValueError, match="in a circle: cli, rpc, state"):
        read_plan(repository)
    (violation,) = picture.check(repository)
    assert violation.text.startswith("cannot be drawn: these rooms import each other in a circle")


def test_the_picture_is_svg_with_every_room_once(checkout):
    image = ET.fromstring(draw(read_plan(checkout(HOUSE))))
    texts = [text.text or "" for text in image.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(text for text in texts if not text.isdigit()) == [
        "cli", "containerd_client", "errors", "rpc", "state", "stored",
    ]  # fmt: skip
    assert [text for text in texts if text.isdigit()] == ["3", "2", "1", "0"]
    assert len([*image.iter("{http://www.w3.org/2000/svg}path")]) == 4


def test_no_box_lies_on_another_or_outside(checkout):
    """On a floor that is too wide for one row as well."""
    wide = {f"cri_shim/a_rather_long_name_of_a_file_{number}.py": "" for number in range(20)}
    image = ET.fromstring(draw(read_plan(checkout({**HOUSE, **wide}))))
    width, height = map(float, image.attrib["viewBox"].split()[2:])
    boxes = [
        tuple(float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        for box in image.iter("{http://www.w3.org/2000/svg}rect")
        if box.attrib["class"] in ("room", "file", "package")
    ]
    assert len(boxes) == 25
    for x, y, w, h in boxes:
        assert 0 < x < x + w < width
        assert 0 < y < y + h < height
        over = [o for o in boxes if o[0] < x + w and x < o[0] + o[2] and o[1] < y + h and y < o[1] + o[3]]
        assert len(over) == 1


def test_the_page_says_what_each_room_says(checkout):
    repository = checkout(HOUSE)
    page = write_page(repository, read_plan(repository))
    assert " 2 rpc/\n 1 state/\n 0 containerd_client/ errors.py\n" in page
    assert (
        "### [rpc/](../cri_shim/rpc)\n\nEvery RPC.\n\n- It may import anything `below`.\n- It must never block.\n\n"
        in page
    )
    assert "### [state/stored/](../cri_shim/state/stored)\n\nStored values.\n\n" in page
    assert "- [errors.py](../cri_shim/errors.py): Errors of all kinds.\n" in page


def test_missing_and_stale_pages_are_reported(checkout):
    repository = checkout(HOUSE)
    assert [each.path for each in picture.check(repository)] == [picture.SVG, picture.PAGE]
    plan = read_plan(repository)
    repository = checkout({picture.SVG: draw(plan), picture.PAGE: write_page(repository, plan)})
    assert picture.check(repository) == []
    repository = checkout({"cri_shim/paths.py": '"""Paths."""\n'})
    assert [each.path for each in picture.check(repository)] == [picture.SVG, picture.PAGE]
