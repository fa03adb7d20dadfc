"""Render the CNI configuration template that UpdateRuntimeConfig fills in.

Such templates are written for Go's text/template, with the fields ``.PodCIDR``, ``.PodCIDRRanges`` and ``.Routes``.
This module understands what published templates use: fields, variables, ``range`` (with ``$i, $v :=`` or without),
``if``/``else``/``else if`` on one value, ``index LIST N``, ``len LIST``, comments and trimming dashes. It refuses
anything else by name rather than render it wrongly. Sources: the documentation of Go's text/template; containerd
docs/cri/config.md.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | list[str]

_ACTION: Final = re.compile(
    r"(\s+)?\{\{(?P<l>-(?=\s))?(?P<body>\s*/\*.*?\*/\s*|.*?)(?P<r>(?<=\s)-)?\}\}(\s+)?", re.DOTALL
)
_RANGE: Final = re.compile(r"range\s+(?:(?:(\$\w+)\s*,\s*)?(\$\w+)\s*:=\s*)?(.+)", re.DOTALL)
_VARIABLE: Final = re.compile(r"\$\w*")


class _Block(Struct):
    """A list of items to render: text, an expression, or (``range``/``if``, expression, body, else-body)."""

    items: list[str | _Print | _Branch] = field(default_factory=list)


class _Print(Struct):
    expression: str


class _Branch(Struct):
    keyword: str
    expression: str
    names: tuple[str, ...]
    body: _Block
    otherwise: _Block


def template_values(pod_cidr: str) -> dict[str, Value]:
    """Return the template's fields for the kubelet's pod CIDR, a comma-separated list.

    Raises ``InvalidArgumentError`` for a part that is not a CIDR.
    """
    ranges = [part.strip() for part in pod_cidr.split(",")]
    try:
        versions = {ipaddress.ip_network(part, strict=False).version for part in ranges if "/" in part or _refuse(part)}
    except ValueError as error:
        raise InvalidArgumentError(f"pod CIDR {pod_cidr!r}: {error}") from None
    routes = [route for version, route in ((4, "0.0.0.0/0"), (6, "::/0")) if version in versions]
    return {"PodCIDR": ranges[0], "PodCIDRRanges": ranges, "Routes": routes}


def render(template: str, values: Mapping[str, Value]) -> str:
    """Render ``template``.

    Raises ``ValueError`` naming the construct that is not supported, or the unknown field.
    """
    parser = _Parser(template)
    block, end = parser.block(top=True)
    if end:
        raise ValueError(f"template: {{{{{end}}}}} has no {{{{if}}}} or {{{{range}}}} before it")
    return _render(block, values, {"$": values}, values)


def _refuse(part: str) -> bool:
    raise ValueError(f"{part!r} has no prefix length")


class _Parser:
    def __init__(self, template: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        for match in _ACTION.finditer(template):
            before, after = match.start(), match.end()
            # White space outside the braces is only removed where a dash asks for it.
            lead, trail = match[1] or "", match[5] or ""
            text = template[position:before] + ("" if match["l"] else lead)
            self._tokens.append(("text", text))
            body = match["body"].strip()
            if not body.startswith("/*"):
                self._tokens.append(("action", body))
            self._tokens.append(("text", "" if match["r"] else trail))
            position = after
        rest = template[position:]
        if "{{" in rest:
            raise ValueError("template: {{ without }}")
        self._tokens.append(("text", rest))
        self._next = 0

    def block(self, *, top: bool = False) -> tuple[_Block, str]:
        """Parse up to ``end`` or ``else``; return the block and the action that ended it."""
        block = _Block()
        while self._next < len(self._tokens):
            kind, text = self._tokens[self._next]
            self._next += 1
            if kind == "text":
                block.items.append(text)
            elif text == "end" or text.split(maxsplit=1)[:1] == ["else"]:
                return block, text
            else:
                block.items.append(self._statement(text))
        if not top:
            raise ValueError("template: an {{if}} or {{range}} lacks its {{end}}")
        return block, ""

    def _statement(self, text: str) -> _Print | _Branch:
        keyword = (text.split(maxsplit=1) or [""])[0]
        if keyword == "range":
            match = _RANGE.fullmatch(text)
            if match is None:
                raise ValueError(f"template: cannot read {{{{{text}}}}}")
            names = tuple(name for name in match.groups()[:2] if name)
            return self._branch("range", match[3], names)
        if keyword == "if":
            return self._branch("if", text.removeprefix("if").strip(), ())
        return _Print(text)

    def _branch(self, keyword: str, expression: str, names: tuple[str, ...]) -> _Branch:
        body, end = self.block()
        otherwise = _Block()
        if end.startswith("else"):
            condition = end.removeprefix("else").strip()
            if condition.startswith("if "):
                otherwise.items.append(self._branch("if", condition.removeprefix("if").strip(), ()))
                return _Branch(keyword, expression, names, body, otherwise)
            if condition:
                raise ValueError(f"template: cannot read {{{{{end}}}}}")
            otherwise, end = self.block()
            if end != "end":
                raise ValueError("template: a second {{else}}")
        return _Branch(keyword, expression, names, body, otherwise)


_Scope = dict[str, "Value | Mapping[str, Value]"]


def _render(block: _Block, dot: Value | Mapping[str, Value], scope: _Scope, root: Mapping[str, Value]) -> str:
    out: list[str] = []
    for item in block.items:
        if isinstance(item, str):
            out.append(item)
            continue
        value = _evaluate(item.expression, dot, scope, root)
        if isinstance(item, _Print):
            # Go prints a list as [a b]
            out.append(f"[{' '.join(value)}]" if isinstance(value, list) else str(value))
        elif item.keyword == "if":
            out.append(_render(item.body if value else item.otherwise, dot, scope, root))
        elif not isinstance(value, list):
            raise ValueError(f"template: range over {item.expression}, which is not a list")
        elif not value:
            out.append(_render(item.otherwise, dot, scope, root))
        else:
            for index, element in enumerate(value):
                counted: list[Value] = [index, element]
                names = dict(zip(item.names, counted[2 - len(item.names) :], strict=True))
                out.append(_render(item.body, element, {**scope, **names}, root))
    return "".join(out)


def _evaluate(expression: str, dot: Value | Mapping[str, Value], scope: _Scope, root: Mapping[str, Value]) -> Value:
    words = expression.split()
    if len(words) == 1:
        return _operand(words[0], dot, scope, root)
    if len(words) == 3 and words[0] == "index" and words[2].isdigit():
        value = _operand(words[1], dot, scope, root)
        if isinstance(value, list) and int(words[2]) < len(value):
            return value[int(words[2])]
        raise ValueError(f"template: {{{{{expression}}}}} is outside of the list")
    if len(words) == 2 and words[0] == "len":
        value = _operand(words[1], dot, scope, root)
        if isinstance(value, (list, str)):
            return len(value)
    raise ValueError(f"template: {{{{{expression}}}}} is beyond the supported part of Go's templates")


def _operand(word: str, dot: Value | Mapping[str, Value], scope: _Scope, root: Mapping[str, Value]) -> Value:
    holder: Value | Mapping[str, Value] = dot
    name = word
    if word.startswith("$"):
        variable = _VARIABLE.match(word)
        name = word[variable.end() :] if variable else ""
        if variable is None or variable[0] not in scope:
            raise ValueError(f"template: unknown variable {word}")
        holder = scope[variable[0]]
        if not name:
            name = "."
    if name == "." and isinstance(holder, (str, int, list)):
        return holder
    if name.startswith(".") and isinstance(holder, dict) and name[1:] in root:
        return root[name[1:]]
    known = ", ".join(f".{key}" for key in root)
    raise ValueError(f"template: {{{{{word}}}}} is not supported; the known fields are {known}")
