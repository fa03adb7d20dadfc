"""Circles of modules and of rooms are reported with the imports that close them; other imports are not."""

from __future__ import annotations

import pytest

from checks import circles


def places(violations):
    return [(each.path, each.line) for each in violations]


def test_a_house_without_circles(checkout):
    files = {
        "cri_shim/__init__.py": "",
        "cri_shim/rpc/__init__.py": "",
        "cri_shim/rpc/start.py": "from cri_shim.state import pods\nimport os\n",
        "cri_shim/state/__init__.py": "",
        "cri_shim/state/pods.py": "from cri_shim.state.names import Names\n",
        "cri_shim/state/names.py": "class Names: ...\n",
    }
    assert circles.check(checkout(files)) == []


@pytest.mark.parametrize(
    "second",
    [
        "import cri_shim.state.pods\n",
        "from cri_shim.state import pods\n",
        "from .pods import Pods\n",
        "from . import pods\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from cri_shim.state.pods import Pods\n",
        "def late():\n    from cri_shim.state.pods import Pods\n",
    ],
)
def test_two_modules_that_import_each_other(checkout, second):
    """However the import is written, for type checkers alone and inside a function too."""
    files = {
        "cri_shim/state/__init__.py": "",
        "cri_shim/state/pods.py": "from cri_shim.state.names import Names\n",
        "cri_shim/state/names.py": second,
    }
    violations = circles.check(checkout(files))
    line = len(second.splitlines())
    assert places(violations) == [("cri_shim/state/names.py", line), ("cri_shim/state/pods.py", 1)]
    assert "circle of modules (cri_shim.state.names, cri_shim.state.pods)" in violations[0].text


def test_three_modules_in_a_circle(checkout):
    files = {
        "untrusted/a.py": "import untrusted.b\n",
        "untrusted/b.py": "import untrusted.c\n",
        "untrusted/c.py": "import untrusted.a\n",
        "untrusted/d.py": "import untrusted.a\n",
    }
    assert [path for path, _ in places(circles.check(checkout(files)))] == [
        "untrusted/a.py",
        "untrusted/b.py",
        "untrusted/c.py",
    ]


def test_two_rooms_whose_modules_form_no_circle(checkout):
    files = {
        "cri_shim/rpc/start.py": "import cri_shim.state.pods\n",
        "cri_shim/rpc/names.py": "",
        "cri_shim/state/pods.py": "",
        "cri_shim/state/index.py": "\nimport cri_shim.rpc.names\n",
    }
    violations = circles.check(checkout(files))
    assert places(violations) == [("cri_shim/rpc/start.py", 1), ("cri_shim/state/index.py", 2)]
    assert "circle of rooms (cri_shim.rpc, cri_shim.state)" in violations[0].text


def test_a_room_and_the_room_in_it(checkout):
    files = {
        "cri_shim/state/pods.py": "import cri_shim.state.stored.spec\n",
        "cri_shim/state/index.py": "",
        "cri_shim/state/stored/spec.py": "",
        "cri_shim/state/stored/load.py": "import cri_shim.state.index\n",
    }
    assert "circle of rooms (cri_shim.state, cri_shim.state.stored)" in circles.check(checkout(files))[0].text


def test_loose_files_stand_on_floors_of_their_own(checkout):
    files = {
        "cri_shim/cli.py": "import cri_shim.rpc.start\n",
        "cri_shim/errors.py": "",
        "cri_shim/rpc/start.py": "import cri_shim.errors\n",
    }
    assert circles.check(checkout(files)) == []


def test_generated_code_is_not_the_package_around_it(checkout):
    """``cri_shim.api`` is not judged; an import of it is not one of ``cri_shim``."""
    files = {
        "cri_shim/__init__.py": "import cri_shim.state\n",
        "cri_shim/api/pb.py": "import cri_shim.state\n",
        "cri_shim/state/__init__.py": "from cri_shim.api.runtime import pb\nimport cri_shim.api.pb\n",
    }
    assert circles.check(checkout(files)) == []
