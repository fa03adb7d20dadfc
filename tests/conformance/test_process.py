"""The process of a container: arguments, environment, directory, user and groups, terminal, standard input."""

from __future__ import annotations

import asyncio

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.log_file import text
from lab.pod_configs import sh


async def printed(pod, **config):
    """What a container prints before it ends well."""
    container = await pod.start(**config)
    status = await container.ended()
    assert status.exit_code == 0, text(container.entries())
    return text(container.entries(), "stdout").strip()


@pytest.mark.proves("ContainerConfig.command", "ContainerConfig.args")
@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ((), (), "entry cmd"),
        ((), ("given",), "entry given"),
        (("echo", "mine"), (), "mine"),
        (("echo", "mine"), ("given",), "mine given"),
    ],
)
async def test_command_and_args_replace_entrypoint_and_cmd(node, pod, command, args, expected):
    """Args replace the image's Cmd; a command replaces its Entrypoint and Cmd."""
    image = await node.pull("entry:1", entrypoint=["echo", "entry"], cmd=["cmd"])
    assert await printed(pod, image=image, command=command, args=args) == expected


async def test_no_command_at_all_is_refused(node, pod):
    """An image without Entrypoint and Cmd needs a command."""
    image = await node.pull("empty:1", entrypoint=[], cmd=[])
    _, message = await failure(pod.create(image=image, command=()))
    assert "command" in message


@pytest.mark.proves("ContainerConfig.envs", "KeyValue.key", "KeyValue.value")
async def test_environment_of_image_and_container(node, pod):
    """The container's variables win over the image's, values are taken as they are, HOSTNAME is there."""
    image = await node.pull("env:1", env=["A=image", "B=image"])
    shown = await printed(pod, image=image, command=("env",), envs={"B": "mine", "C": "x=y $Z 'q' ü"})
    lines = set(shown.splitlines())
    assert {"A=image", "B=mine", "C=x=y $Z 'q' ü"} <= lines
    assert any(line.startswith("HOSTNAME=") for line in lines)
    assert any(line.startswith("PATH=") for line in lines)


@pytest.mark.proves("ContainerConfig.working_dir")
async def test_the_working_directory(node, pod):
    """The image's working directory is used unless the container names one."""
    image = await node.pull("workdir:1", workdir="/var/log")
    assert await printed(pod, image=image, command=("pwd",)) == "/var/log"
    assert await printed(pod, image=image, command=("pwd",), working_dir="/usr/bin") == "/usr/bin"
    assert await printed(pod, command=("pwd",)) == "/"


async def test_a_working_directory_that_is_missing_is_made(pod):
    """A working directory that is not in the image is created."""
    assert await printed(pod, command=("pwd",), working_dir="/made/for/this") == "/made/for/this"


IDS = sh("id -u; id -g; id -G")


async def test_root_by_default(pod):
    """Without a user the process is root with its group."""
    uid, gid, groups = (await printed(pod, command=IDS)).splitlines()
    assert (uid, gid) == ("0", "0")
    assert "0" in groups.split()


@pytest.mark.proves("LinuxContainerSecurityContext.run_as_user", "Int64Value.value")
async def test_user_by_number(pod):
    """run_as_user with a number that /etc/passwd knows takes its group and its supplementary groups from there."""
    uid, gid, groups = (await printed(pod, command=IDS, security={"run_as_user": {"value": 1000}})).splitlines()
    assert (uid, gid) == ("1000", "1000")
    assert {"1000", "2000", "2001"} <= set(groups.split())


async def test_user_by_number_that_the_image_does_not_know(pod):
    """A number that /etc/passwd does not know is taken as it is, with group 0."""
    uid, gid, _ = (await printed(pod, command=IDS, security={"run_as_user": {"value": 4242}})).splitlines()
    assert (uid, gid) == ("4242", "0")


@pytest.mark.proves("LinuxContainerSecurityContext.run_as_username")
async def test_user_by_name(pod):
    """run_as_username is looked up in the image's /etc/passwd."""
    uid, gid, groups = (await printed(pod, command=IDS, security={"run_as_username": "app"})).splitlines()
    assert (uid, gid) == ("1000", "1000")
    assert {"2000", "2001"} <= set(groups.split())


@pytest.mark.proves("LinuxContainerSecurityContext.run_as_group")
async def test_user_and_group(pod):
    """run_as_group is the primary group."""
    security = {"run_as_user": {"value": 1000}, "run_as_group": {"value": 3333}}
    uid, gid, _ = (await printed(pod, command=IDS, security=security)).splitlines()
    assert (uid, gid) == ("1000", "3333")


async def test_a_group_without_a_user_is_refused(pod):
    """run_as_group alone is an error that says so."""
    _, message = await failure(pod.create(security={"run_as_group": {"value": 3333}}))
    assert "group" in message


async def test_an_unknown_user_name_is_refused(pod):
    """A user name that the image does not know is an error that names it."""
    _, message = await failure(pod.start(security={"run_as_username": "nobody-knows"}))
    assert "nobody-knows" in message or "no users found" in message


@pytest.mark.proves("LinuxContainerSecurityContext.supplemental_groups")
async def test_supplemental_groups(pod):
    """Supplemental groups come in addition."""
    security = {"run_as_user": {"value": 1000}, "supplemental_groups": [5555, 6666]}
    *_, groups = (await printed(pod, command=IDS, security=security)).splitlines()
    assert {"5555", "6666"} <= set(groups.split())


async def test_pod_wide_supplemental_groups_of_the_container_only(node):
    """Supplemental groups of the pod are for its sandbox; a container has those of its own configuration."""
    pod = await node.run(security={"supplemental_groups": [7777]})
    *_, groups = (await printed(pod, command=IDS, security={"supplemental_groups": [8888]})).splitlines()
    assert "8888" in groups.split()
    assert "7777" not in groups.split()


@pytest.mark.parametrize(("user", "expected"), [("app", "1000 1000"), ("1000:33", "1000 33"), ("33", "33 33")])
async def test_the_images_user(node, pod, user, expected):
    """If the container names no user, it runs as the image's User, given as a name or as numbers."""
    image = await node.pull(f"user:{user.replace(':', '-')}", user=user)
    assert await printed(pod, image=image, command=sh("echo $(id -u) $(id -g)")) == expected


async def test_without_tty_there_is_none(pod):
    """Without tty standard output is no terminal and TERM is not set."""
    assert await printed(pod, command=sh("test -t 1 && echo tty || echo none; echo ${TERM:-unset}")) == "none\nunset"


@pytest.mark.proves("ContainerConfig.tty")
async def test_with_tty_there_is_one(pod):
    """With tty the process has a terminal, TERM is xterm, and both streams are logged as standard output."""
    container = await pod.start(tty=True, command=sh("test -t 1 && echo tty; echo $TERM; echo error >&2"))
    await container.ended()
    entries = container.entries()
    assert {entry.stream for entry in entries} == {"stdout"}
    assert [entry.content.rstrip(b"\r") for entry in entries] == [b"tty", b"xterm", b"error"]


async def test_without_stdin_reading_ends_at_once(pod):
    """Without stdin a reader sees the end of file."""
    assert await printed(pod, command=sh("cat; echo end")) == "end"


@pytest.mark.proves("ContainerConfig.stdin")
async def test_with_stdin_reading_waits(pod):
    """With stdin a reader waits for a client that attaches."""
    container = await pod.start(stdin=True, command=sh("echo up; cat; echo end"))
    await container.logged("up")
    await asyncio.sleep(0.2)
    assert (await container.status()).state == cri.CONTAINER_RUNNING


@pytest.mark.proves("LinuxContainerSecurityContext.supplemental_groups_policy")
@pytest.mark.plugin_differs("1.6 and 1.7.24 do not look at the policy", before="2.0")
async def test_strict_supplemental_groups(pod):
    """With the policy Strict the groups that the image has for the user are left out."""
    security = {"run_as_user": {"value": 1000}, "supplemental_groups": [5555], "supplemental_groups_policy": cri.Strict}
    *_, groups = (await printed(pod, command=IDS, security=security)).splitlines()
    assert set(groups.split()) == {"1000", "5555"}
