"""The supported part of Go's templates, and a clear no to the rest."""

from __future__ import annotations

import pytest

from cri_shim.errors import InvalidArgumentError
from cri_shim.network.template import Value, render, template_values

VALUES: dict[str, Value] = {"PodCIDR": "10.0.0.0/24", "PodCIDRRanges": ["10.0.0.0/24", "fd00::/64"], "Routes": []}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain { text }", "plain { text }"),
        ('"{{.PodCIDR}}"', '"10.0.0.0/24"'),
        ("{{ .PodCIDR }}", "10.0.0.0/24"),
        ("{{$.PodCIDR}}", "10.0.0.0/24"),
        ("{{range .PodCIDRRanges}}<{{.}}>{{end}}", "<10.0.0.0/24><fd00::/64>"),
        ("{{range $r := .PodCIDRRanges}}<{{$r}}>{{end}}", "<10.0.0.0/24><fd00::/64>"),
        ('{{range $i, $r := .PodCIDRRanges}}{{if $i}}, {{end}}"{{$r}}"{{end}}', '"10.0.0.0/24", "fd00::/64"'),
        ("{{range .Routes}}x{{else}}none{{end}}", "none"),
        ("{{if .Routes}}a{{else if .PodCIDR}}b{{else}}c{{end}}", "b"),
        ("{{index .PodCIDRRanges 1}} {{len .PodCIDRRanges}}", "fd00::/64 2"),
        ("a {{- .PodCIDR -}} b", "a10.0.0.0/24b"),
        ("a\n{{- /* note }} */ -}}\nb", "ab"),
        ("a {{/* note */}} b", "a  b"),
        ("{{range .PodCIDRRanges}}{{$.PodCIDR}};{{end}}", "10.0.0.0/24;10.0.0.0/24;"),
        ("{{.PodCIDR}}  {{.PodCIDR}}", "10.0.0.0/24  10.0.0.0/24"),
        ("{{.PodCIDRRanges}}", "[10.0.0.0/24 fd00::/64]"),
    ],
)
def test_what_templates_use(template: str, text: str) -> None:
    """Each construct renders as Go renders it."""
    assert render(template, VALUES) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{.Other}}", "{{$x}}", "{{if .PodCIDR}}", "{{end}}", "{{range .PodCIDR}}{{end}}", "{{.PodCIDR | printf}}",
        '{{template "x"}}', "{{with .PodCIDR}}{{end}}", "{{ .PodCIDR", "{{index .PodCIDRRanges 7}}", "{{}}",
        '{{printf "%s" .PodCIDR}}', "{{if .PodCIDR}}{{else}}{{else}}{{end}}", "{{$y := .PodCIDR}}",
        "{{if eq .PodCIDR .PodCIDR}}x{{end}}", "{{range .PodCIDRRanges}}{{.PodCIDR}}{{end}}",
    ],
)  # fmt: skip
def test_everything_else_is_refused(template: str) -> None:
    """What is not understood raises with `template:` in front, instead of being rendered wrongly."""
    with pytest.raises(ValueError, match=r"^template: "):
        render(template, VALUES)


def test_values_of_a_dual_stack_node() -> None:
    """The list is split, the first is the pod CIDR, and each family brings its default route."""
    assert template_values("10.0.0.0/24, fd00::/64") == {
        "PodCIDR": "10.0.0.0/24",
        "PodCIDRRanges": ["10.0.0.0/24", "fd00::/64"],
        "Routes": ["0.0.0.0/0", "::/0"],
    }


@pytest.mark.parametrize("cidr", ["10.0.0.0", "10.0.0.0/99", "x/24", "10.0.0.0/24,"])
def test_bad_cidr_is_the_callers_mistake(cidr: str) -> None:
    """What is not a CIDR is refused and quoted."""
    with pytest.raises(InvalidArgumentError, match="pod CIDR"):
        template_values(cidr)
