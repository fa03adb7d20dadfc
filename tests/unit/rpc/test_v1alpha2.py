"""v1alpha2 is served whole, and without its generated code."""

from __future__ import annotations

import subprocess
import sys

from cri_shim.api.runtime.v1 import runtime_pb2 as v1
from cri_shim.api.runtime.v1alpha2 import runtime_pb2 as v1alpha2
from cri_shim.server.v1alpha2 import V1ALPHA2, v1alpha2_name


def methods(module):
    return {
        f"{service.full_name}/{method.name}"
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def test_every_rpc_of_it_and_no_other():
    """The table holds exactly the 29 RPCs of v1alpha2, under its services' names."""
    served = {
        f"{v1alpha2_name(service.full_name)}/{method.name}"
        for service in v1.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.name in V1ALPHA2
    }
    assert served == methods(v1alpha2)
    assert len(V1ALPHA2) == 29


def test_both_versions_are_the_same_on_the_wire():
    """Every field of v1alpha2 has in v1 the same number and kind; only environment values are bytes now."""
    other_kind = []
    for name, message in v1alpha2.DESCRIPTOR.message_types_by_name.items():
        new = v1.DESCRIPTOR.message_types_by_name[name].fields_by_number
        for field in message.fields:
            twin = new[field.number]
            assert (twin.name, twin.is_repeated) == (field.name, field.is_repeated)
            if twin.type != field.type:
                other_kind.append(f"{name}.{field.name}")
    assert other_kind == ["KeyValue.value"]
    for name, enum in v1alpha2.DESCRIPTOR.enum_types_by_name.items():
        new_numbers = {value.name: value.number for value in v1.DESCRIPTOR.enum_types_by_name[name].values}
        assert {value.name: value.number for value in enum.values}.items() <= new_numbers.items()


def test_its_generated_code_is_not_loaded():
    """The daemon's modules, all of them, do without it: it would only cost memory."""
    code = "import sys, cri_shim.daemon.daemon; sys.exit('cri_shim.api.runtime.v1alpha2.runtime_pb2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
