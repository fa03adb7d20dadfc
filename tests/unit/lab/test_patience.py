"""What the lab and the tests of real nodes wait for may take longer on a slow machine: LAB_PATIENCE says how much."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
FOLDERS = ("lab", "tests/guest", "tests/guest/kubelet", "tests/conformance")
# What runs outside of the guest, and what is measured for a given time.
OTHERS = {"lab/versions_bench.py", "tests/guest/accelerator.py"}
FILES = sorted(
    str(path.relative_to(CHECKOUT))
    for folder in FOLDERS
    for path in (CHECKOUT / folder).glob("*.py")
    if str(path.relative_to(CHECKOUT)) not in OTHERS
)


def limits(tree: ast.Module) -> list[ast.expr]:
    """The time limits of a file: what is added to the clock, and what asyncio waits for at most."""
    collected: list[ast.expr] = []
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(
                left=ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="monotonic")),
                op=ast.Add(),
                right=limit,
            ):
                collected.append(limit)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio"), attr="timeout"), args=[limit]):
                collected.append(limit)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio"), attr="wait_for"), args=[_, limit]):
                collected.append(limit)
    return collected


def fixed(source: str) -> list[str]:
    """The time limits that are the same on every machine."""
    tree = ast.parse(source)
    stretched = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and is_patient(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [
        f"line {limit.lineno}: {ast.unparse(limit)}"
        for limit in limits(tree)
        if not is_patient(limit) and not (isinstance(limit, ast.Name) and limit.id in stretched)
    ]


def is_patient(value: ast.expr) -> bool:
    """Whether it is a call of ``patient``."""
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "patient"


@pytest.mark.parametrize("name", FILES)
def test_every_time_limit_is_longer_on_a_slow_machine(name: str) -> None:
    """A limit that is not fails first where everything is emulated, and says nothing about the daemon."""
    assert fixed((CHECKOUT / name).read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "deadline = time.monotonic() + 60",
        "deadline = time.monotonic() + seconds",
        "await asyncio.wait_for(done(), 10)",
        "async with asyncio.timeout(LIMIT): pass",
    ],
)
def test_a_fixed_limit_is_found(line: str) -> None:
    """Whether it is a number, a parameter, or a name of something else."""
    assert len(fixed(f"LIMIT = 10\nasync def test(seconds):\n    {line}\n")) == 1


def test_a_stretched_limit_is_fine() -> None:
    """Directly, or by the name of one."""
    source = "LIMIT = patient(10)\nasync def test():\n    async with asyncio.timeout(LIMIT):\n"
    assert fixed(f"{source}        deadline = time.monotonic() + patient(60)\n") == []
