"""The compiled protobuf descriptors say exactly what the wire tables say."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor, ServiceDescriptor

ROOT = Path(__file__).parents[3]
TABLES = ROOT.parent / "shared/wire"
NAMES = ("cri-v1", "cri-v1alpha2", "containerd-2.3", "cgroups-metrics")
SCALARS = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(FieldDescriptor).items()
    if name.startswith("TYPE_") and name not in {"TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP"}
}

pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason=f"the wire tables are not beside this checkout ({TABLES})")


def compiled_files() -> Iterator[FileDescriptor]:
    """Every generated module's file, and google.rpc's, which another distribution generates."""
    for home in ("containerd_client", "cri_shim"):
        for path in sorted((ROOT / home / "api").rglob("*_pb2.py")):
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            yield module.DESCRIPTOR
    yield importlib.import_module("google.rpc.status_pb2").DESCRIPTOR


def field_type(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name
        return f"map<{field_type(entry['key'])}, {field_type(entry['value'])}>"
    if field.message_type is not None:
        return str(field.message_type.full_name)
    if field.enum_type is not None:
        return str(field.enum_type.full_name)
    return SCALARS[field.type]


def field_table(field: FieldDescriptor) -> dict[str, Any]:
    table: dict[str, Any] = {"number": field.number, "type": field_type(field)}
    oneof = field.containing_oneof
    if oneof is not None and oneof.name == f"_{field.name}" and len(oneof.fields) == 1:
        table["optional"] = True  # proto3 writes an optional field as a oneof of one
    elif oneof is not None:
        table["oneof"] = oneof.name
    if field.is_repeated and not table["type"].startswith("map<"):
        table["repeated"] = True
    if field.GetOptions().deprecated:
        table["deprecated"] = True
    return table


def message_table(message: Descriptor) -> dict[str, Any]:
    table: dict[str, Any] = {"fields": {field.name: field_table(field) for field in message.fields}}
    nested = {inner.name: message_table(inner) for inner in message.nested_types if not inner.GetOptions().map_entry}
    if nested:
        table["messages"] = nested
    if message.enum_types:
        table["enums"] = {enum.name: enum_table(enum) for enum in message.enum_types}
    return table


def enum_table(enum: EnumDescriptor) -> dict[str, int]:
    return {value.name: value.number for value in enum.values}


def service_table(service: ServiceDescriptor) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for method in service.methods:
        entry: dict[str, Any] = {"request": method.input_type.full_name, "response": method.output_type.full_name}
        if method.client_streaming:
            entry["client_streaming"] = True
        if method.server_streaming:
            entry["server_streaming"] = True
        table[method.name] = entry
    return table


def compiled() -> dict[str, dict[str, Any]]:
    """Package → messages, enums, services, as the generated code has them."""
    packages: dict[str, dict[str, Any]] = {}
    for file in compiled_files():
        package = packages.setdefault(file.package, {"messages": {}, "enums": {}, "services": {}})
        package["messages"].update({name: message_table(m) for name, m in file.message_types_by_name.items()})
        package["enums"].update({name: enum_table(e) for name, e in file.enum_types_by_name.items()})
        package["services"].update({name: service_table(s) for name, s in file.services_by_name.items()})
    return packages


def without_reserved(message: dict[str, Any]) -> dict[str, Any]:
    """Reserved numbers are a note of the table; Python's descriptors do not show them."""
    result = {key: value for key, value in message.items() if key != "reserved"}
    if "messages" in result:
        result["messages"] = {name: without_reserved(inner) for name, inner in result["messages"].items()}
    return result


def tables() -> dict[str, dict[str, Any]]:
    packages: dict[str, dict[str, Any]] = {}
    for name in NAMES:
        for package, table in json.loads((TABLES / f"{name}.json").read_text()).items():
            assert package not in packages, f"{package} is in two tables"
            packages[package] = {
                "messages": {key: without_reserved(value) for key, value in table.get("messages", {}).items()},
                "enums": table.get("enums", {}),
                "services": table.get("services", {}),
            }
    return packages


COMPILED = compiled() if TABLES.is_dir() else {}
EXPECTED = tables() if TABLES.is_dir() else {}


def test_the_same_packages_are_compiled():
    """Every package of the tables is generated, and none besides."""
    assert sorted(COMPILED) == sorted(EXPECTED)


def test_every_table_is_compared():
    """No table lies beside the others without being read."""
    assert {path.stem for path in TABLES.glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("package", sorted(EXPECTED))
@pytest.mark.parametrize("kind", ["messages", "enums", "services"])
def test_names_numbers_and_types_agree(package, kind):
    """Messages with every field, enums with every value, services with every call and its streaming are the same."""
    compiled, wanted = COMPILED[package][kind], EXPECTED[package][kind]
    assert sorted(compiled) == sorted(wanted)
    for name in wanted:
        assert compiled[name] == wanted[name], f"{package}.{name}"
