"""A crictl.yaml gets our endpoints in every form that can be changed line by line, and stays in any other."""

from __future__ import annotations

import pytest
import yaml

from cri_shim.setup.crictl_file import changed_crictl

ENDPOINT = "unix:///run/cri-shim/cri-shim.sock"


@pytest.mark.parametrize(
    "text",
    [
        '"runtime-endpoint": unix:///a\n',
        "'image-endpoint' : unix:///a\n",
        "runtime-endpoint : unix:///a",
        "runtime-endpoint: unix:///a\r\ndebug: true\r\n",
        "---\n# why\ndebug: true\n",
        "",
    ],
)
def test_it_has_each_endpoint_once(text):
    """The parser of crictl refuses a key that is there twice; the one of Python takes the last."""
    changed = changed_crictl(text, "/run/cri-shim/cri-shim.sock")
    top = yaml.compose(changed, Loader=yaml.SafeLoader)
    assert isinstance(top, yaml.MappingNode)
    keys = [key.value for key, _ in top.value]
    assert sorted(keys) == sorted(set(keys))
    assert {yaml.safe_load(changed)[key] for key in ("runtime-endpoint", "image-endpoint")} == {ENDPOINT}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{runtime-endpoint: unix:///a}", "line by line"),
        ("  debug: true\n", "line by line"),
        ("debug: true\n...\n", "line by line"),
        ("? runtime-endpoint\n: unix:///a\n", "line by line"),
        ("runtime-endpoint: |\n  a\n", "line by line"),
        ("runtime-endpoint: a\nruntime-endpoint: b\n", "twice"),
        ("a: 1\n---\nb: 1\n", "not a document"),
        ("- a\n", "not a table"),
    ],
)
def test_what_cannot_be_changed_stays(text, reason):
    """The reason is true: valid YAML is not called invalid."""
    with pytest.raises(ValueError, match=reason):
        changed_crictl(text, "/run/cri-shim/cri-shim.sock")
