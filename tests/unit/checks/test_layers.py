"""A room that no layer names is reported."""

from __future__ import annotations

from checks import layers

CONTRACTS = """
[tool.importlinter]
root_packages = ["cri_shim"]

[[tool.importlinter.contracts]]
name = "Imports point one way"
type = "layers"
layers = ["cri_shim.cli", "cri_shim.rpc | (cri_shim.bench)", "cri_shim.errors"]
"""


def test_rooms_on_their_floors(checkout):
    paths = ["__init__.py", "cli.py", "rpc/start.py", "bench/floor/cni.py", "errors.py"]
    assert layers.check(checkout({"pyproject.toml": CONTRACTS, **{f"cri_shim/{path}": "" for path in paths}})) == []


def test_a_room_and_a_file_on_no_floor(checkout):
    files = {"pyproject.toml": CONTRACTS, "cri_shim/state/pods.py": "", "cri_shim/paths.py": ""}
    assert [str(each) for each in layers.check(checkout(files))] == [
        "pyproject.toml:2: cri_shim.paths is on no floor of the layers contract: add it there",
        "pyproject.toml:2: cri_shim.state is on no floor of the layers contract: add it there",
    ]
