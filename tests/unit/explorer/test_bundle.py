"""Modules of the page as one script: in order, complete, and only of the forms that are known."""

from __future__ import annotations

import re

import pytest

from cri_shim.explorer.bundle import BundleError, bundle
from cri_shim.explorer.request_file import _page

MODULES = {
    "main.js": 'import { one, two as second } from "./a.js";\nimport { three } from "./b.js";\nuse(second);\n',
    "a.js": "export const one = 1;\nexport function two() {}\nconst own = 3;\n",
    "b.js": 'import { one } from "./a.js";\nexport async function three() { return one; }\n',
}


def test_a_module_comes_after_what_it_needs_and_once():
    """Each is a function of its own, so that names of two modules cannot meet."""
    script = bundle("main", MODULES.__getitem__)
    assert re.findall(r"^// (\w+)\.js$", script, re.MULTILINE) == ["a", "b", "main"]
    assert "const { one, two: second } = module_a;" in script
    assert "const { three } = module_b;" in script
    assert "return { one, two };" in script
    assert "return { three };" in script
    assert not re.search(r"^\s*(import|export)\b", script, re.MULTILINE)


@pytest.mark.parametrize(
    "line",
    [
        'import "./a.js";',
        'import * as a from "./a.js";',
        'import a from "./a.js";',
        'import { a } from "https://example.com/a.js";',
        "export default 1;",
        "export { a };",
        "export let a = 1;",
        'const a = await import("./a.js");',
        'const a = "</script>";',
        'const a = "<!--";',
    ],
)
def test_other_forms_are_refused(line):
    """They would be joined wrongly, or would end the element that holds the script."""
    with pytest.raises(BundleError, match=r"main\.js: cannot join"):
        bundle("main", {"main.js": f"{line}\n", "a.js": ""}.__getitem__)


def test_circles_are_refused():
    """No order is right for them."""
    circle = {"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'}
    with pytest.raises(BundleError, match="a, b, a import each other"):
        bundle("a", circle.__getitem__)


def test_the_modules_of_a_request_can_be_joined():
    """All of the view, and nothing that asks the daemon."""
    script = bundle("request_file", _page)
    names = re.findall(r"^// (\w+)\.js$", script, re.MULTILINE)
    assert {"dom", "pieces", "waterfall", "bill", "request_view"} <= set(names)
    assert "api" not in names
    assert "fetch(" not in script
    assert "EventSource" not in script
