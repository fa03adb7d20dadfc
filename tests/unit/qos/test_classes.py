"""Which class a container asks for, and RDT classes."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError
from cri_shim.qos.annotations import requested_class
from cri_shim.qos.rdt import rdt_section, why_no_rdt


def asked(kind, own=None, pod=None):
    """The class of a container named app."""
    config = cri.ContainerConfig(metadata=cri.ContainerMetadata(name="app"), annotations=own or {})
    return requested_class(kind, config, cri.PodSandboxConfig(annotations=pod or {}))


@pytest.mark.parametrize("kind", ["blockio", "rdt"])
def test_the_nearest_annotation_wins(kind):
    """The container's own, then the pod's for this container, then the pod's for all; another container's does not."""
    prefix = f"{kind}.resources.beta.kubernetes.io/"
    pod = {f"{prefix}pod": "all"}
    assert asked(kind) == ""
    assert asked(kind, pod={f"{prefix}container.other": "x"}) == ""
    assert asked(kind, pod=pod) == "all"
    pod[f"{prefix}container.app"] = "app"
    assert asked(kind, pod=pod) == "app"
    assert asked(kind, {f"io.kubernetes.cri.{kind}-class": "own"}, pod) == "own"
    assert asked(kind, {f"io.kubernetes.cri.{kind}-class": ""}, pod) == ""


def test_rdt_classes(tmp_path):
    """A class must be listed in the configuration and be a group of resctrl."""
    for group in (".", "gold"):
        (tmp_path / group).mkdir(exist_ok=True)
        (tmp_path / group / "schemata").touch()
    assert why_no_rdt(["gold"], tmp_path) == ""
    assert rdt_section("gold", ["gold", "lost"], tmp_path) == {"closID": "gold"}
    with pytest.raises(FailedPreconditionError, match="'silver' is not among the rdt_classes"):
        rdt_section("silver", ["gold"], tmp_path)
    for name in ("lost", "..", "", "gold/../gold", "info"):
        with pytest.raises(FailedPreconditionError, match="is not a group"):
            rdt_section(name, [name], tmp_path)


def test_why_there_is_no_rdt(tmp_path):
    """Nothing configured, and nothing mounted, are told apart."""
    assert "rdt_classes" in why_no_rdt([], tmp_path)
    assert str(tmp_path) in why_no_rdt(["gold"], tmp_path)
