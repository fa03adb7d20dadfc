"""Reading and checking one CDI file."""

from __future__ import annotations

import json

import pytest

from cri_shim.cdi.document import parse_document

YAML = b"""
cdiVersion: 0.6.0
kind: vendor.com/net
annotations: {made: by hand}
containerEdits:
  env: [ALL=1]
devices:
  - name: one
    containerEdits:
      deviceNodes:
        - {path: /dev/one, hostPath: /dev/null, fileMode: 0640, uid: 5, permissions: rw}
      hooks:
        - {hookName: createContainer, path: /bin/true, args: [one], timeout: 3}
      mounts:
        - {hostPath: /lib/a, containerPath: /b, options: [ro, bind]}
"""


def document(version="1.1.0", device=None, **changes) -> bytes:
    edits = {"env": ["A=b"]} if device is None else device
    return json.dumps(
        {
            "cdiVersion": version,
            "kind": "v/c",
            "devices": [{"name": "d", "containerEdits": edits}],
            **changes,
        }
    ).encode()


def test_a_yaml_file_is_read():
    """Every part of a file arrives, a mode in octal too."""
    read = parse_document(YAML)
    (device,) = read.devices
    (node,) = device.container_edits.device_nodes
    assert (read.kind, read.container_edits.env, device.name) == ("vendor.com/net", ("ALL=1",), "one")
    assert (node.host_path, node.file_mode, node.uid, node.gid, node.permissions) == ("/dev/null", 0o640, 5, None, "rw")
    assert device.container_edits.hooks[0].timeout == 3
    assert device.container_edits.mounts[0].options == ("ro", "bind")


def test_json_with_tabs_is_read():
    """JSON may be indented with tabs, which YAML forbids."""
    text = json.dumps(json.loads(document()), indent="\t").encode()
    assert parse_document(text).devices[0].container_edits.env == ("A=b",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "not YAML"),
        (b"", "missing"),
        (b"[]", "a list, not an object"),
        (document(version="9.9.9"), "'9.9.9' is not known"),
        (document(version=1), "'1' is not known"),
        (document(version=["1.0.0"]), "a list, not a string"),
        (document(kind="vendor"), "vendor/class"),
        (document(kind="-v/c"), "vendor '-v'"),
        (document(devices=[]), "no devices"),
        (document(surprise=1), "surprise"),
        (document(devices=[{"name": "a b", "containerEdits": {"env": ["A=b"]}}]), "'a b'"),
        (document(devices=[{"name": "d", "containerEdits": {"env": ["A=b"]}}] * 2), "twice"),
        (document(device={}), "empty"),
        (document(device={"env": ["novalue"]}), "novalue"),
        (document(device={"env": ["=value"]}), "=value"),
        (document(device={"deviceNodes": [{"path": ""}]}), "without path"),
        (document(device={"deviceNodes": [{"path": "/a", "type": "x"}]}), "type 'x'"),
        (document(device={"deviceNodes": [{"path": "/a", "permissions": "rwx"}]}), "'rwx'"),
        (document(device={"deviceNodes": [{"path": "/a", "nope": 1}]}), "nope"),
        (document(device={"mounts": [{"hostPath": "", "containerPath": "/a"}]}), "hostPath"),
        (document(device={"hooks": [{"hookName": "whenever", "path": "/a"}]}), "whenever"),
        (document(device={"hooks": [{"hookName": "prestart", "path": ""}]}), "no path"),
        (document(device={"intelRdt": {"closID": "a/b"}}), "closID"),
        (document(device={"intelRdt": {"closID": ".."}}), "closID"),
        (document(device={"netDevices": [{"hostInterfaceName": "", "name": "x"}]}), "without a name"),
        (document(device={"netDevices": [{"hostInterfaceName": n, "name": "x"} for n in "ab"]}), "same name"),
        (document(device={"additionalGids": [-1]}), "-1"),
    ],
)
def test_mistakes_are_reported(text, says):
    """A file with a mistake is refused, and the sentence says which mistake."""
    with pytest.raises(ValueError, match="(?s)" + says.replace("[", r"\[")):
        parse_document(text)


@pytest.mark.parametrize(
    ("needed", "changes"),
    [
        ("0.4.0", {"device": {"mounts": [{"hostPath": "/a", "containerPath": "/b", "type": "bind"}]}}),
        ("0.5.0", {"device": {"deviceNodes": [{"path": "/a", "hostPath": "/b"}]}}),
        ("0.5.0", {"devices": [{"name": "0", "containerEdits": {"env": ["A=b"]}}]}),
        ("0.6.0", {"kind": "v/c.d"}),
        ("0.6.0", {"annotations": {"a": "b"}}),
        ("0.7.0", {"device": {"additionalGids": [5]}}),
        ("0.7.0", {"containerEdits": {"intelRdt": {"closID": "x"}}}),
        ("1.1.0", {"device": {"intelRdt": {"closID": "x", "schemata": ["MB:0=50"]}}}),
        ("1.1.0", {"device": {"netDevices": [{"hostInterfaceName": "a", "name": "b"}]}}),
    ],
)
def test_a_file_must_have_the_version_of_what_it_uses(needed, changes):
    """The version that first had a thing is enough, and the one before it is not."""
    versions = ("0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0")
    parse_document(document(version=needed, **changes))
    with pytest.raises(ValueError, match=f"at least {needed}"):
        parse_document(document(version=versions[versions.index(needed) - 1], **changes))


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "v1.0.0"])
def test_the_first_versions_are_read_like_the_third(version):
    """Old files work, and a version may have a v before it."""
    assert parse_document(document(version=version)).devices
