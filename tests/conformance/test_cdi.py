"""CDI devices: files in /var/run/cdi, the default directory of every runtime."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.pod_configs import sh

pytestmark = [
    pytest.mark.plugin_differs("containerd has CDI from 1.7 on", before="1.7"),
    pytest.mark.plugin_differs("off unless enable_cdi is set; on by itself from 2.0 on", before="2.0", since="1.7"),
    pytest.mark.proves("ContainerConfig.CDI_devices", "CDIDevice.name"),
]

DIRECTORY = Path("/var/run/cdi")


class Vendor:
    """A kind of devices of one test's own, and the file that describes them."""

    def __init__(self) -> None:
        """Choose a name; nothing is written."""
        self.kind = f"conformance.test/t{secrets.token_hex(4)}"
        self.file = DIRECTORY / f"{self.kind.replace('/', '-')}.json"

    def describe(self, common=None, **devices):
        """Write the file: the edits of each device by name."""
        content = {
            "cdiVersion": "0.7.0",
            "kind": self.kind,
            "containerEdits": common or {},
            "devices": [{"name": name, "containerEdits": edits} for name, edits in devices.items()],
        }
        unfinished = self.file.with_suffix(".tmp")
        unfinished.write_text(json.dumps(content))
        unfinished.rename(self.file)

    def names(self, *devices):
        """The field of a container config that asks for these devices."""
        return {"CDI_devices": [cri.CDIDevice(name=f"{self.kind}={device}") for device in devices]}


@pytest.fixture
def vendor():
    """A vendor whose file is gone after the test."""
    was_there = DIRECTORY.exists()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    made = Vendor()
    yield made
    made.file.unlink(missing_ok=True)
    if not was_there and not any(DIRECTORY.iterdir()):
        DIRECTORY.rmdir()


async def test_environment_and_mounts(pod, vendor, tmp_path):
    """A device brings its own environment and mounts and its file's, over those of the request."""
    (tmp_path / "file").write_text("from the vendor\n")
    mount = {"hostPath": str(tmp_path), "containerPath": "/opt/vendor", "options": ["ro", "rbind", "rprivate"]}
    vendor.describe({"env": ["COMMON=yes"]}, one={"env": ["WHICH=one", "MINE=theirs"], "mounts": [mount]})
    script = "echo $COMMON $WHICH $MINE; cat /opt/vendor/file; touch /opt/vendor/x 2>/dev/null || echo refused"
    expected = "yes one theirs\nfrom the vendor\nrefused"
    assert await pod.output(script, envs={"MINE": "mine"}, **vendor.names("one")) == expected


async def test_a_device_node(pod, vendor):
    """A node appears under the vendor's name, is what the host's node is, and can be used."""
    vendor.describe(zero={"deviceNodes": [{"path": "/dev/vendor0", "hostPath": "/dev/zero"}]})
    script = "head -c 3 /dev/vendor0 | wc -c; stat -c '%t:%T' /dev/vendor0"
    assert await pod.output(script, **vendor.names("zero")) == "3\n1:5"


async def test_a_device_nodes_permissions_hold(pod, vendor):
    """The device cgroup lets a container do what the file says, and no more."""
    node = {"path": "/dev/my-loop", "hostPath": "/dev/loop-control", "permissions": "r", "fileMode": 0o666}
    vendor.describe(loop={"deviceNodes": [node]})
    opened = "(exec 3{0}/dev/my-loop) 2>/dev/null && echo yes || echo no"
    script = f"{opened.format('<')}; {opened.format('>')}; stat -c %a /dev/my-loop"
    assert await pod.output(script, **vendor.names("loop")) == "yes\nno\n666"


async def test_a_node_belongs_to_the_containers_user(pod, vendor):
    """A node without an owner is the user's who runs in the container; one with an owner is that one's."""
    own = {"path": "/dev/own", "hostPath": "/dev/zero"}
    given = {"path": "/dev/given", "hostPath": "/dev/zero", "uid": 5, "gid": 6}
    vendor.describe(both={"deviceNodes": [own, given]})
    security = {"run_as_user": {"value": 1000}, "run_as_group": {"value": 1001}}
    script = "stat -c %u:%g /dev/own /dev/given"
    assert await pod.output(script, security=security, **vendor.names("both")) == "1000:1001\n5:6"


async def test_hooks_run(pod, vendor, tmp_path):
    """The OCI runtime runs the device's hooks, with their arguments and environment, before the container starts."""
    hook = {"hookName": "createRuntime", "path": "/bin/sh", "env": [f"OUT={tmp_path}/ran"]}
    hook["args"] = ["sh", "-c", "cat > $OUT; echo $1 >> $OUT", "sh", "argument"]
    vendor.describe(hooked={"hooks": [hook]})
    container = await pod.start(**vendor.names("hooked"))
    state, argument = (tmp_path / "ran").read_text().rsplit("}", 1)
    assert json.loads(state + "}")["id"] == container.id
    assert argument.strip() == "argument"


async def test_additional_groups(pod, vendor):
    """The process is in the device's groups, besides its own."""
    vendor.describe(grouped={"additionalGids": [4242]})
    security = {"run_as_user": {"value": 1000}, "supplemental_groups": [77]}
    groups = (await pod.output("id -G", security=security, **vendor.names("grouped"))).split()
    assert {"4242", "77"} <= set(groups)


async def test_annotations_ask_too(pod, vendor):
    """Devices may be asked for by an annotation, several with commas; one that is named twice comes once."""
    vendor.describe({"env": ["COMMON=1"]}, a={"env": ["A=1"]}, b={"env": ["B=1"]})
    annotations = {"cdi.k8s.io/test_0": f"{vendor.kind}=a,{vendor.kind}=b"}
    assert await pod.output("echo $COMMON$A$B", annotations=annotations, **vendor.names("a")) == "111"


async def test_a_changed_file_is_read_anew(pod, vendor):
    """A container gets what the file says when it is created."""
    vendor.describe(device={"env": ["VERSION=1"]})
    assert await pod.output("echo $VERSION", **vendor.names("device")) == "1"
    vendor.describe(device={"env": ["VERSION=2"]}, second={"env": ["SECOND=1"]})
    assert await pod.output("echo $VERSION$SECOND", **vendor.names("device", "second")) == "21"


async def test_a_device_that_is_not_described_is_refused(pod, vendor):
    """The error names the device that is missing and not the one that is there."""
    vendor.describe(here={"env": ["A=1"]})
    _, message = await failure(pod.create(**vendor.names("here", "lost")))
    assert f"{vendor.kind}=lost" in message
    assert f"{vendor.kind}=here" not in message


async def test_a_device_whose_node_is_missing_is_refused(pod, vendor):
    """A node that the host does not have is an error that names it."""
    vendor.describe(ghost={"deviceNodes": [{"path": "/dev/no-such-node"}]})
    _, message = await failure(pod.create(**vendor.names("ghost")))
    assert "/dev/no-such-node" in message


@pytest.mark.parametrize("where", ["field", "annotation"])
async def test_a_name_that_is_none_is_refused(pod, where):
    """A name that is not vendor/class=device is an error that repeats it."""
    name = "not-qualified"
    annotations = {"cdi.k8s.io/x": name} if where == "annotation" else {}
    devices = [] if annotations else [cri.CDIDevice(name=name)]
    _, message = await failure(pod.create(command=sh("true"), annotations=annotations, CDI_devices=devices))
    assert name in message
