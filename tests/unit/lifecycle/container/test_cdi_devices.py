"""When CDI devices are injected, and when they are refused."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.cdi.registry import CdiRegistry
from cri_shim.errors import FailedPreconditionError
from cri_shim.lifecycle.container.cdi_devices import inject_cdi_devices


async def inject(directory, asked, spec, *, enable_cdi=True):
    """Inject what ``asked`` asks for, with the files of ``directory``."""
    config: Any = SimpleNamespace(runtime=SimpleNamespace(enable_cdi=enable_cdi))
    await inject_cdi_devices(config, CdiRegistry([str(directory)]), asked, spec)


def container(**config):
    """A container with this much of a configuration."""
    return SimpleNamespace(config=cri.ContainerConfig(**config))


@pytest.mark.parametrize(
    "asked", [{"CDI_devices": [cri.CDIDevice(name="v/c=d")]}, {"annotations": {"cdi.k8s.io/x": "v/c=d"}}]
)
async def test_switched_off(tmp_path, asked):
    """With enable_cdi = false a container that asks for devices, either way, is refused and not run without them."""
    with pytest.raises(FailedPreconditionError, match=r"v/c=d.*enable_cdi is false"):
        await inject(tmp_path, container(**asked), {}, enable_cdi=False)


async def test_no_device_requested(tmp_path):
    """Without a device nothing is changed, whether it is switched on or off."""
    for enabled in (True, False):
        spec: dict[str, Any] = {}
        await inject(tmp_path, container(), spec, enable_cdi=enabled)
        assert spec == {}


async def test_switched_on(tmp_path):
    """A device of the configured directory changes the spec."""
    device = {"name": "d", "containerEdits": {"env": ["A=1"]}}
    (tmp_path / "v.json").write_text(json.dumps({"cdiVersion": "0.3.0", "kind": "v/c", "devices": [device]}))
    spec: dict[str, Any] = {"process": {"env": []}, "linux": {}, "mounts": []}
    asked = container(CDI_devices=[cri.CDIDevice(name="v/c=d")])
    await inject(tmp_path, asked, spec)
    assert spec["process"]["env"] == ["A=1"]
