"""Classes of block I/O and of cache in a container's spec, and classes that a node does not have."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.config.schema import Config, ContainerdSection, RuntimeSection
from cri_shim.errors import FailedPreconditionError
from cri_shim.lifecycle.container import qos_classes
from cri_shim.qos.blockio import BlockioClasses, Entry
from cri_shim.state.containers import Container, Status

BLOCKIO, RDT = "io.kubernetes.cri.blockio-class", "io.kubernetes.cri.rdt-class"
FAST = BlockioClasses({"fast": (Entry(("/dev/sda",), limits={"throttleReadBpsDevice": 5}),), "empty": ()})
NONE = BlockioClasses(reason="blockio_config_file is not set")


@pytest.fixture(autouse=True)
def _node(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node with one disk and a group for one class of cache."""
    monkeypatch.setattr(qos_classes, "find_disks", lambda _pattern: [(8, 0)])
    monkeypatch.setattr(qos_classes, "has_weights", lambda: True)
    monkeypatch.setattr(qos_classes, "why_no_rdt", lambda allowed: "" if allowed else "this node has no resctrl")
    monkeypatch.setattr(qos_classes, "rdt_section", lambda name, _allowed: {"closID": name})


def config(*, ignored: bool = False, rdt: tuple[str, ...] = ()) -> Config:
    """A configuration that ignores or refuses classes which the node does not have."""
    section = ContainerdSection(ignore_blockio_not_enabled_errors=ignored, ignore_rdt_not_enabled_errors=ignored)
    return Config(containerd=section, runtime=RuntimeSection(rdt_classes=rdt))


async def applied(settings: Config, classes: BlockioClasses, **annotations: str) -> dict[str, Any]:
    """The ``linux`` section of the spec of a container with annotations."""
    asked = cri.ContainerConfig(annotations={{"blockio": BLOCKIO, "rdt": RDT}[k]: v for k, v in annotations.items()})
    container = Container("c1", "c1", "p1", asked, Status(), "sha256:1")
    spec: dict[str, Any] = {"linux": {}}
    await qos_classes.apply_classes(settings, classes, container, cri.PodSandboxConfig(), spec)
    linux: dict[str, Any] = spec["linux"]
    return linux


async def test_both_classes() -> None:
    """Each has its section of the spec."""
    assert await applied(config(rdt=("gold",)), FAST, blockio="fast", rdt="gold") == {
        "resources": {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 5}]}},
        "intelRdt": {"closID": "gold"},
    }


@pytest.mark.parametrize("annotations", [{}, {"blockio": "empty"}])
async def test_nothing_to_set(annotations: dict[str, str]) -> None:
    """A container without a class, and one whose class limits nothing, has no section for it."""
    assert await applied(config(), FAST, **annotations) == {}


async def test_a_class_of_the_pod() -> None:
    """It is a class of each of its containers."""
    container = Container("c1", "c1", "p1", cri.ContainerConfig(), Status(), "sha256:1")
    pod = cri.PodSandboxConfig(annotations={"rdt.resources.beta.kubernetes.io/pod": "gold"})
    spec: dict[str, Any] = {"linux": {}}
    await qos_classes.apply_classes(config(rdt=("gold",)), NONE, container, pod, spec)
    assert spec["linux"] == {"intelRdt": {"closID": "gold"}}


@pytest.mark.parametrize(("kind", "what"), [("blockio", "blockio"), ("rdt", "RDT")])
async def test_a_node_without_classes(kind: str, what: str) -> None:
    """The refusal names the container, the class and the reason."""
    with pytest.raises(FailedPreconditionError, match=f"{what} disabled, refusing to set {what} class") as refused:
        await applied(config(), NONE, **{kind: "fast"})
    assert "c1" in str(refused.value)
    assert "'fast'" in str(refused.value)
    assert NONE.reason in str(refused.value) or "no resctrl" in str(refused.value)


@pytest.mark.parametrize("kind", ["blockio", "rdt"])
async def test_a_class_to_be_ignored(kind: str) -> None:
    """The container runs without it, which is logged."""
    with capture_logs() as logs:
        assert await applied(config(ignored=True), NONE, **{kind: "fast"}) == {}
    assert [(one["event"], one["name"]) for one in logs] == [("container.class_ignored", "fast")]


async def test_a_class_that_is_not_among_those_of_the_node() -> None:
    """It is refused even where classes of a node without any would be ignored."""
    with pytest.raises(FailedPreconditionError, match="'slow' does not exist"):
        await applied(config(ignored=True), FAST, blockio="slow")
