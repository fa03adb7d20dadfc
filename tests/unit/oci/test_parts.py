"""The small parts: capabilities, arguments, environment, labels, globs, cgroup paths, image configuration."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.oci import capabilities
from cri_shim.oci.annotations import passed_through
from cri_shim.oci.cgroup_path import cgroups_path
from cri_shim.oci.defaults import capability_sets
from cri_shim.oci.image_config import ImageConfig, parse_image_config, uid_or_name
from cri_shim.oci.labels import record_labels, unfit_labels
from cri_shim.oci.process import exec_process, merge_env, process_args


def path(parent, *, systemd=False):
    return cgroups_path(parent, "ID", systemd=systemd, fallback_parent="/k8s.io")


@pytest.mark.parametrize(
    ("parent", "systemd", "expected"),
    [
        ("/kubepods/burstable/pod1", False, "/kubepods/burstable/pod1/ID"),
        ("/test.slice", False, "/test.slice/ID"),
        ("", False, "/k8s.io/ID"),
        ("kubepods-burstable.slice", True, "kubepods-burstable.slice:cri-containerd:ID"),
        ("/a.slice/a-b.slice/", True, "a-b.slice:cri-containerd:ID"),
        ("", True, "system.slice:cri-containerd:ID"),
    ],
)
def test_cgroup_path_follows_the_driver_not_its_form(parent, systemd, expected):
    """The driver decides the form; under cgroupfs a slice's name is a directory's name."""
    assert path(parent, systemd=systemd) == expected


@pytest.mark.parametrize("parent", ["/kubepods/pod1", "/", ".slice", "/a.slice/b"])
def test_systemd_driver_needs_a_slice(parent):
    """Any other parent is refused with the reason, before runc would fail over it."""
    with pytest.raises(InvalidArgumentError, match="SystemdCgroup"):
        path(parent, systemd=True)


def test_capability_numbers():
    """The names stand at their numbers, so a mask of the kernel reads right."""
    assert capabilities.NAMES[21] == "CAP_SYS_ADMIN"
    assert capabilities.NAMES[24] == "CAP_SYS_RESOURCE"
    assert capabilities.NAMES[40] == "CAP_CHECKPOINT_RESTORE"
    assert capabilities.from_mask(1 << 5 | 1 << 39 | 1 << 60) == ("CAP_KILL", "CAP_BPF")


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ([], [], {"A", "B"}),
        (["c"], ["b"], {"A", "C"}),
        (["CAP_C"], ["cap_a"], {"B", "C"}),
        (["ALL"], ["a"], {"B", "C", "D"}),
        (["all"], [], {"A", "B", "C", "D"}),
        (["C"], ["ALL"], {"C"}),
        (["ALL"], ["ALL"], set()),
        (["C"], ["C"], {"A", "B"}),
    ],
)
def test_capabilities_of_a_request(add, drop, expected):
    """ALL comes before single names, a single drop wins, the spelling does not matter."""
    available = ("CAP_A", "CAP_B", "CAP_C", "CAP_D")
    result = capabilities.wanted(
        cri.Capability(add_capabilities=add, drop_capabilities=drop), available, ("CAP_A", "CAP_B")
    )
    assert set(result) == {f"CAP_{name}" for name in expected}
    assert len(result) == len(expected)


def test_ambient_capabilities_of_a_request():
    """What is asked for by name is in all five sets, even if not added otherwise; a drop wins; else none is."""
    request = cri.Capability(add_ambient_capabilities=["kill", "CAP_CHOWN"], drop_capabilities=["CHOWN"])
    retained = capabilities.ambient(request, ("CAP_A",))
    assert retained == ("CAP_KILL",)
    sets = capability_sets(("CAP_A",), retained)
    assert sets["ambient"] == sets["inheritable"] == ["CAP_KILL"]
    assert sets["bounding"] == sets["effective"] == sets["permitted"] == ["CAP_A", "CAP_KILL"]
    assert capabilities.ambient(cri.Capability(add_ambient_capabilities=["ALL"]), ("CAP_A", "CAP_B")) == (
        "CAP_A",
        "CAP_B",
    )
    assert "ambient" not in capability_sets(("CAP_A",))


@pytest.mark.parametrize(
    ("command", "args", "entrypoint", "cmd", "expected"),
    [
        (["c"], ["a"], ["e"], ["x"], ["c", "a"]),
        (["c"], [], ["e"], ["x"], ["c"]),
        ([], ["a"], ["e"], ["x"], ["e", "a"]),
        ([], [], ["e"], ["x"], ["e", "x"]),
        ([], [], ["e"], [], ["e"]),
        ([], [], [""], ["x"], ["x"]),
    ],
)
def test_arguments(command, args, entrypoint, cmd, expected):
    """A command hides all of the image's, arguments hide its cmd only."""
    assert process_args(command, args, ImageConfig(entrypoint=tuple(entrypoint), cmd=tuple(cmd))) == expected


def test_nothing_to_run_is_an_error():
    """Neither request nor image names a command; nor does an exec without one."""
    with pytest.raises(InvalidArgumentError, match="no command"):
        process_args([], [], ImageConfig(entrypoint=("",)))
    with pytest.raises(InvalidArgumentError, match="empty"):
        exec_process({}, [], tty=False)


def test_environment_layers():
    """Later layers win at the variable's first place, an entry without = removes, = may be in a value."""
    assert merge_env(["A=1", "B=2"], ["C=3", "A=x=y"], ["B"]) == ["A=x=y", "C=3"]


@given(st.lists(st.from_regex(r"[A-C](=.?)?", fullmatch=True), max_size=8))
def test_environment_has_each_variable_once(entries):
    """However often a variable is named, the last word on it counts and stands once."""
    last = {entry.partition("=")[0]: entry for entry in entries}
    result = merge_env(entries[:3], entries[3:])
    assert sorted(result) == sorted(entry for entry in last.values() if "=" in entry)


def test_exec_process_differs_in_arguments_and_terminal_only():
    """User, capabilities, directory and environment are the container's; the container's own process is not changed."""
    process = {"args": ["x"], "env": ["TERM=vt"], "user": {"uid": 5}, "terminal": True, "consoleSize": {}, "cwd": "/w"}
    before = json.dumps(process)
    assert exec_process(process, ["y"], tty=False) == {
        "args": ["y"], "env": ["TERM=vt"], "user": {"uid": 5}, "terminal": False, "cwd": "/w"}  # fmt: skip
    assert exec_process(process, ["y"], tty=True)["env"] == ["TERM=xterm"]
    assert json.dumps(process) == before


@pytest.mark.parametrize(
    ("glob", "matches"),
    [
        ("io.example/*", {"io.example/a", "io.example/z"}),
        ("io.*", {"io.plain"}),
        ("io.example/[a-b]", {"io.example/a"}),
        ("io.example/[^a]", {"io.example/z"}),
        ("io.example/?", {"io.example/a", "io.example/z"}),
        ("*", {"io.plain", "a*b"}),
        ("io.example/x/*", {"io.example/x/y"}),
        ("a\\*b", {"a*b"}),
        ("io?example/a", {"io.example/a"}),
        ("[", set()),
        ("x\\", set()),
        ("[z-a]", set()),
    ],
)
def test_globs_are_gos(glob, matches):
    """A star stops at a slash, classes and escapes work, a malformed glob matches nothing."""
    keys = ["io.example/a", "io.example/z", "io.example/x/y", "io.plain", "a*b"]
    assert passed_through(dict.fromkeys(keys, "v"), [glob]).keys() == matches


def test_labels_of_a_record():
    """The request wins, the kind is ours, unfit ones of the image are left out and can be named."""
    image = {
        "a": "image",
        "b": "image",
        "containerd.io/gc": "x",
        "io.cri-containerd.kind": "y",
        "long": "x" * 4096,
        "": "z",
    }
    assert record_labels(image, {"a": "request", "io.cri-containerd.kind": "z"}, kind="sandbox") == {
        "a": "request",
        "b": "image",
        "io.cri-containerd.kind": "sandbox",
    }
    assert unfit_labels(image) == ("containerd.io/gc", "io.cri-containerd.kind", "long", "")
    assert record_labels({}, {"k": "x" * 4095}, kind="container")["k"]
    with pytest.raises(InvalidArgumentError, match="4097"):
        record_labels({}, {"k": "ä" * 2048}, kind="container")


def test_image_configuration():
    """All fields are read, null and missing ones are empty, volumes are sorted."""
    config: dict[str, object] = {"User": "u", "Env": ["A=1"], "Entrypoint": ["e"], "Cmd": None, "WorkingDir": "/w",
              "Labels": {"l": "1"}, "Volumes": {"/z": {}, "/a": {}}, "StopSignal": "SIGINT"}  # fmt: skip
    assert parse_image_config(json.dumps({"config": config, "rootfs": {}}).encode()) == ImageConfig(
        user="u", env=("A=1",), entrypoint=("e",), working_dir="/w", labels={"l": "1"}, volumes=("/a", "/z"),
        stop_signal="SIGINT",
    )  # fmt: skip
    assert parse_image_config(b"{}") == parse_image_config(b'{"config": null}') == ImageConfig()


@pytest.mark.parametrize(
    ("user", "shown"),
    [("", (None, "")), ("1000:1000", (1000, "")), ("+5", (5, "")), ("-5", (-5, "")), ("0" * 5000 + "7", (7, "")),
     ("9223372036854775807", (2**63 - 1, "")), ("9223372036854775808", (None, "9223372036854775808")),
     ("1" * 5000, (None, "1" * 4096)), ("app:1", (None, "app")), ("\u0661", (None, "\u0661")), (":5", (None, ""))],
)  # fmt: skip
def test_the_user_of_an_image_as_clients_see_it(user, shown):
    """A number that Go's ParseInt takes is a uid, anything else a name."""
    assert uid_or_name(user) == shown


@pytest.mark.parametrize(
    "document",
    ["", "[]", '{"config": 1}', '{"config": {"Env": [1]}}', '{"config": {"Env": "A"}}', '{"config": {"User": 1}}',
     '{"config": {"Volumes": []}}', '{"config": {"Labels": {"a": 1}}}'],
)  # fmt: skip
def test_a_damaged_image_configuration_is_refused(document):
    """Registries can hold anything: a wrong type is an error of ours, not a TypeError later."""
    with pytest.raises(FailedPreconditionError, match="image configuration"):
        parse_image_config(document.encode())
