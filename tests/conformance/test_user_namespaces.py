"""Pods with a user namespace of their own: who is who, whom files belong to, what the pod's root may do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure

UIDS, GIDS, SIZE = 1_000_000, 2_000_000, 65_536


def mapping(uid=UIDS, gid=GIDS, size=SIZE):
    """A user namespace whose ids are those of the node from ``uid`` and ``gid`` on."""
    return cri.UserNamespace(
        mode=cri.POD,
        uids=[cri.IDMapping(host_id=uid, container_id=0, length=size)],
        gids=[cri.IDMapping(host_id=gid, container_id=0, length=size)],
    )


def mount(path, host_path, *, userns, **more):
    """A volume that shows its files with the pod's ids."""
    return cri.Mount(
        container_path=path, host_path=str(host_path), uidMappings=userns.uids, gidMappings=userns.gids, **more
    )


async def run(node, userns=None, **config):
    """A pod with mapped ids."""
    return await node.run(userns=userns or mapping(), **config)


async def pid_of(node, container):
    """The container's process, as the node counts."""
    response = await node.client.ContainerStatus(container_id=container.id, verbose=True)
    return json.loads(response.info["info"])["pid"]


@pytest.mark.plugin_differs("1.6 takes no notice of user namespaces", before="1.7", always=False)
@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
@pytest.mark.proves(
    "NamespaceOption.userns_options",
    "UserNamespace.mode",
    "UserNamespace.uids",
    "UserNamespace.gids",
    "IDMapping.host_id",
    "IDMapping.container_id",
    "IDMapping.length",
)
async def test_root_of_the_pod_has_no_rights_on_the_node(node):
    """A container runs as root with the mapping that was asked for, and as an ordinary user for the node."""
    pod = await run(node)
    container = await pod.start(userns=mapping())
    assert await container.output("id -u; id -g") == "0\n0"
    assert (await container.output("cat /proc/self/uid_map")).split() == ["0", str(UIDS), str(SIZE)]
    assert (await container.output("cat /proc/self/gid_map")).split() == ["0", str(GIDS), str(SIZE)]
    info = Path(f"/proc/{await pid_of(node, container)}").stat()
    assert (info.st_uid, info.st_gid) == (UIDS, GIDS)


@pytest.mark.plugin_differs("1.6 takes no notice of user namespaces", before="1.7", always=False)
@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
async def test_containers_share_the_pods_user_namespace(node):
    """Two containers are in one user namespace, which is not the node's."""
    pod = await run(node)
    one, two = await pod.start(userns=mapping()), await pod.start(userns=mapping())
    script = "readlink /proc/self/ns/user"
    assert await one.output(script) == await two.output(script) != os.readlink("/proc/self/ns/user")


@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
async def test_the_image_belongs_to_the_pod(node):
    """Files of the image show the owners they have in the image, and the pod's root may change them."""
    pod = await run(node)
    script = (
        "stat -c %u:%g / /bin/busybox && echo x >> /etc/passwd && touch /new && chown 7:8 /new && stat -c %u:%g /new"
    )
    assert (await pod.output(script, userns=mapping())).split() == ["0:0", "0:0", "7:8"]


@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
@pytest.mark.plugin_differs("1.7 refuses volumes with mapped ids", since="1.7", before="2.0")
@pytest.mark.proves("Mount.uidMappings", "Mount.gidMappings")
async def test_a_volume_shows_the_pods_ids(node, tmp_path):
    """A volume with mappings belongs to the pod's root inside, and stays the node root's on the node."""
    (tmp_path / "given").write_text("of the node")
    (tmp_path / "file").write_text("one file")
    pod = await run(node)
    mounts = [
        mount("/volume", tmp_path, userns=mapping()),
        mount("/file", tmp_path / "file", userns=mapping(), readonly=True),
    ]
    script = (
        "stat -c %u:%g /volume/given /file && cat /volume/given /file && touch /volume/made && chown 5:6 /volume/made"
        " && ! touch /file"
    )
    printed = await pod.output(script, userns=mapping(), mounts=mounts)
    assert printed.split("\n") == ["0:0", "0:0", "of the nodeone file"]
    made = (tmp_path / "made").stat()
    assert (made.st_uid, made.st_gid) == (5, 6)
    assert (tmp_path / "given").read_text() == "of the node"


@pytest.mark.plugin_differs("1.6 takes no notice of user namespaces", before="1.7", always=False)
@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
async def test_a_volume_without_mappings_shows_nobody(node, tmp_path):
    """A volume without mappings keeps the node's owners, who are nobody in the pod."""
    (tmp_path / "given").write_text("of the node")
    tmp_path.chmod(0o755)
    pod = await run(node)
    mounts = [cri.Mount(container_path="/volume", host_path=str(tmp_path))]
    assert await pod.output("stat -c %u /volume/given", userns=mapping(), mounts=mounts) == "65534"


@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
@pytest.mark.plugin_differs("1.7 leaves the pod's files to the node's root", since="1.7", before="2.0")
async def test_the_pods_files_belong_to_its_root(node):
    """hosts, hostname and resolv.conf can be read and changed by the pod's root."""
    pod = await run(node)
    script = "for f in hosts hostname resolv.conf; do echo '# more' >> /etc/$f && stat -c %u:%g /etc/$f; done"
    assert (await pod.output(script, userns=mapping())).split() == ["0:0"] * 3


@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
async def test_the_pods_root_owns_its_network(node):
    """The network namespace belongs to the pod's user namespace: with NET_ADMIN its interfaces can be changed."""
    pod = await run(node)
    add = {"capabilities": {"add_capabilities": ["NET_ADMIN"]}}
    script = "ip link add name more type dummy 2>/dev/null; ip link set lo mtu 1280 && cat /sys/class/net/lo/mtu"
    assert await pod.output(script, userns=mapping(), security=add) == "1280"
    assert await pod.ip()


@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
@pytest.mark.plugin_differs("1.7 makes the pipes for the node's root", since="1.7", before="2.0")
async def test_an_ordinary_user_can_write_to_its_output(node):
    """A user other than root opens /dev/stdout again, which belongs to it."""
    pod = await run(node)
    script = "echo through > /dev/stdout; id -u"
    assert await pod.output(script, userns=mapping(), security={"run_as_user": {"value": 1234}}) == "through\n1234"


@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
async def test_shared_memory_and_queues(node):
    """/dev/shm can be written by all containers of the pod, and /dev/mqueue is there."""
    pod = await run(node)
    one, two = await pod.start(userns=mapping()), await pod.start(userns=mapping())
    await one.output("echo shared > /dev/shm/x")
    assert await two.output("cat /dev/shm/x") == "shared"
    assert "mqueue" in await one.output("grep ' /dev/mqueue ' /proc/mounts")


@pytest.mark.plugin_differs("1.6 takes no notice of user namespaces", before="1.7", always=False)
@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
async def test_capabilities_end_at_the_namespace(node, tmp_path):
    """All capabilities inside are none on the node: a file of the node's root cannot be read."""
    secret = tmp_path / "secret"
    secret.write_text("mine")
    secret.chmod(0o600)
    pod = await run(node)
    container = await pod.start(
        userns=mapping(),
        mounts=[cri.Mount(container_path="/secret", host_path=str(secret))],
        security={"capabilities": {"add_capabilities": ["ALL"]}},
    )
    assert (await container.execute("cat", "/secret")).exit_code != 0


@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
async def test_volumes_of_the_image(node):
    """What an image declares as VOLUME starts with the image's content and owners, and can be written."""
    image = await node.pull(
        "with-volume-userns:1",
        files={"data/seed": b"seed", "data/sub/deep": b"deep"},
        volumes=["/data"],
    )
    pod = await run(node)
    script = "cat /data/seed /data/sub/deep && stat -c %u:%g /data/seed && echo new > /data/new && cat /data/new"
    assert await pod.output(script, userns=mapping(), image=image) == "seeddeep0:0\nnew"


@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
async def test_exec_and_a_read_only_root(node):
    """Commands run inside with mapped ids; a root file system that is read-only is read-only for the pod's root."""
    pod = await run(node)
    container = await pod.start(userns=mapping(), security={"readonly_rootfs": True})
    assert await container.output("id -u; touch /x 2>/dev/null || echo refused") == "0\nrefused"


@pytest.mark.plugin_differs("1.6 takes no notice of user namespaces", before="1.7", always=False)
@pytest.mark.plugin_differs("2.x needs a runc that maps the ids of mounts", since="2.0", always=False)
@pytest.mark.plugin_differs("before 2.3 /sys cannot be mounted in such a pod", since="1.7", before="2.0")
async def test_on_the_nodes_network(node):
    """A pod on the node's network may have mapped ids; its /sys is read-only."""
    pod = await run(node, network=cri.NODE)
    container = await pod.start(userns=mapping(), network=cri.NODE)
    assert await container.output("readlink /proc/self/ns/net") == os.readlink("/proc/self/ns/net")
    assert (await container.output("cat /proc/self/uid_map")).split()[1] == str(UIDS)
    assert " ro" in await container.output("grep ' /sys ' /proc/mounts | head -n 1")


async def test_mode_node_is_the_nodes_namespace(node):
    """Mode NODE, which is the same as none, gives the node's user namespace."""
    userns = cri.UserNamespace(mode=cri.NODE)
    pod = await node.run(userns=userns)
    container = await pod.start(userns=userns)
    assert await container.output("readlink /proc/self/ns/user") == os.readlink("/proc/self/ns/user")


def wrong_mappings():
    """Mappings that make no sense, and a word that the answer must have."""
    twice = mapping()
    twice.uids.append(cri.IDMapping(host_id=5_000_000, container_id=SIZE, length=10))
    none = mapping()
    del none.gids[:]
    named = mapping()
    named.mode = cri.NODE
    return [
        pytest.param(mapping(size=0), "length", id="empty"),
        pytest.param(twice, "mapping", id="two"),
        pytest.param(none, "gid", id="no gids"),
        pytest.param(named, "mapping", id="mode NODE with mappings"),
        pytest.param(cri.UserNamespace(mode=cri.CONTAINER), "mode", id="mode CONTAINER"),
    ]


@pytest.mark.plugin_differs("1.6 takes no notice of user namespaces", before="1.7", always=False)
@pytest.mark.plugin_differs("2.x makes the namespace before it looks at the length", since="2.0", always=False)
@pytest.mark.parametrize(("userns", "word"), wrong_mappings())
async def test_mappings_that_make_no_sense(node, userns, word):
    """A pod is refused whose user namespace is not one range for users and one for groups."""
    _, message = await failure(node.run(userns=userns))
    assert word in message.lower()


@pytest.mark.plugin_differs("1.6 takes no notice of user namespaces", before="1.7", always=False)
async def test_a_container_needs_the_pods_mapping(node):
    """A container with another mapping than its pod's, or with none, is refused."""
    pod = await run(node)
    for userns in (None, mapping(uid=UIDS + 1)):
        _, message = await failure(pod.create(userns=userns))
        assert "user namespace" in message or "userns" in message.lower()


@pytest.mark.plugin_differs("1.x accepts such pods and has no handlers in Status", before="2.0")
@pytest.mark.plugin_differs("2.x makes the pod although its containers then fail", since="2.0", always=False)
async def test_status_reports_it(node):
    """Status says of the handler that pods may have user namespaces: what is refused is not reported."""
    handlers = (await node.client.Status()).runtime_handlers
    reported = any(handler.features.user_namespaces for handler in handlers if not handler.name)
    try:
        await run(node)
    except grpc.aio.AioRpcError:
        assert not reported
    else:
        assert reported
