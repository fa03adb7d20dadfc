"""Names of CDI devices and who asks for them."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.cdi.names import check_qualified, requested_devices
from cri_shim.errors import InvalidArgumentError


@pytest.mark.parametrize("name", ["vendor.com/net=eth0", "v/c=d", "v/c=0", "A.b-c_d/e.f=g:h", "v/c=all"])
def test_good_names(name):
    """Vendor, class and device may have letters, digits and a few signs; a device may begin with a digit."""
    assert check_qualified(name) == ""


BAD = """
eth0 v.com=x v.com/net v.com/net= /net=x v/=x 1v/c=d v/1c=d v-/c=d v/c=-d v/c=d: v/c/e=d v/c=d=e /dev/null v/c=ä
"""


@pytest.mark.parametrize("name", ["", "v/c=d d", *BAD.split()])
def test_bad_names(name):
    """What is not vendor/class=device, or has other signs, or begins or ends with one, is none."""
    assert check_qualified(name)


def test_field_and_annotations_are_put_together():
    """The field comes first, then annotations by their keys; what both name is there once; others are not ours."""
    config = cri.ContainerConfig(
        CDI_devices=[cri.CDIDevice(name="v/c=b"), cri.CDIDevice(name="v/c=a")],
        annotations={"cdi.k8s.io/z": "v/c=d", "cdi.k8s.io/y": "v/c=a,v/c=c", "other": "v/c=e"},
    )
    assert requested_devices(config) == ["v/c=b", "v/c=a", "v/c=c", "v/c=d"]


def test_a_bad_name_is_reported_with_its_place():
    """Whoever wrote the annotation learns which one it was."""
    with pytest.raises(InvalidArgumentError, match=r"annotation cdi\.k8s\.io/x.*'nonsense'"):
        requested_devices(cri.ContainerConfig(annotations={"cdi.k8s.io/x": "v/c=a,nonsense"}))
    with pytest.raises(InvalidArgumentError, match="CDI_devices"):
        requested_devices(cri.ContainerConfig(CDI_devices=[cri.CDIDevice(name="eth0")]))
