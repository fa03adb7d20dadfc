"""A tiny crictl, for machines without one: ``python -m lab.cri pods|ps|images|logs|inspect|exec|runp|create|…``.

Its options and tables are those of crictl. The endpoint is ``--runtime-endpoint``, or else that of ``make up``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from google.protobuf.json_format import MessageToDict, MessageToJson, Parse, ParseError

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_answers import ANSWERS
from lab.cri_client import CriClient
from lab.log_file import read_log, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

CHANGES = {
    "runp": ("run a pod", ("pod_config",)),
    "create": ("make a container in a pod", ("id", "container_config", "pod_config")),
    "start": ("start a container", ("id",)),
    "stop": ("stop a container", ("id",)),
    "rm": ("remove a container", ("id",)),
    "stopp": ("stop a pod", ("id",)),
    "rmp": ("remove a pod", ("id",)),
}
DEMO_ENDPOINT = Path(__file__).resolve().parents[1] / ".demo" / "bridge" / "cri-shim.sock"


def columns(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return the rows as a table with aligned columns."""
    table = [head, *rows]
    widths = [max(len(row[number]) for row in table) for number in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join(lines)


def age(created_ns: int) -> str:
    """Return in words how long ago this was."""
    seconds = int(time.time() - created_ns / 1e9)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


async def pods(client: CriClient, *, name: str = "", namespace: str = "", quiet: bool = False) -> str:
    """Return the list of pods, or their ids alone."""
    items = [item for item in (await client.ListPodSandbox()).items if name in item.metadata.name]
    items = [item for item in items if namespace in item.metadata.namespace]
    if quiet:
        return "\n".join(item.id for item in items)
    rows = []
    for item in sorted(items, key=lambda item: -item.created_at):
        state = "Ready" if item.state == cri.SANDBOX_READY else "NotReady"
        handler = item.runtime_handler or "(default)"
        metadata = item.metadata
        about = (metadata.name, metadata.namespace, str(metadata.attempt), handler)
        rows.append((item.id[:13], age(item.created_at), state, *about))
    return columns(("POD ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME"), rows)


async def containers(client: CriClient, *, name: str = "", quiet: bool = False, everything: bool = True) -> str:
    """Return the list of containers, or their ids alone; ``everything`` includes those that do not run."""
    running = {"state": {"state": cri.CONTAINER_RUNNING}}
    items = (await client.ListContainers(filter={} if everything else running)).containers
    items = [item for item in items if name in item.metadata.name]
    if quiet:
        return "\n".join(item.id for item in items)
    rows = []
    for item in sorted(items, key=lambda item: -item.created_at):
        state = cri.ContainerState.Name(item.state).removeprefix("CONTAINER_").capitalize()
        pod = [item.labels.get(f"io.kubernetes.pod.{key}", "unknown") for key in ("name", "namespace")]
        about = (item.metadata.name, str(item.metadata.attempt), item.pod_sandbox_id[:13], *pod)
        rows.append((item.id[:13], item.image.image, age(item.created_at), state, *about))
    head = ("CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID", "POD", "NAMESPACE")
    return columns(head, rows)


async def images(client: CriClient) -> str:
    """Return the list of images, a line for each tag."""
    rows = []
    for image in (await client.ListImages()).images:
        for tag in image.repo_tags or ("<none>:<none>",):
            repository, _, version = tag.rpartition(":")
            id_ = image.id.removeprefix("sha256:")[:13]
            rows.append((repository, version, id_, f"{image.size / 1e6:.3g}MB"))
    return columns(("IMAGE", "TAG", "IMAGE ID", "SIZE"), sorted(rows))


async def find(client: CriClient, name: str) -> cri.ContainerStatus:
    """Return the container with this id, prefix of an id, or name."""
    containers = (await client.ListContainers()).containers
    ids = [item.id for item in containers if item.id.startswith(name)] or [
        item.id for item in containers if item.metadata.name == name
    ]
    if len(ids) != 1:
        raise SystemExit(f"{len(ids)} containers are called {name!r}")
    status: cri.ContainerStatus = (await client.ContainerStatus(container_id=ids[0])).status
    return status


async def inspected(client: CriClient, id_: str) -> str:
    """Return the status of a container and what is behind it, as JSON."""
    answer = await client.ContainerStatus(container_id=id_, verbose=True)
    status = MessageToDict(answer.status, preserving_proto_field_name=True)
    return json.dumps({"status": status, "info": json.loads(answer.info.get("info", "{}"))}, indent=2)


async def execute(client: CriClient, name: str, command: list[str]) -> int:
    """Run a command in a container; return its exit code."""
    container = await find(client, name)
    done = await client.ExecSync(container_id=container.id, cmd=command, timeout=60)
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    return int(done.exit_code)


def from_file(path: str, message: Message) -> Message:
    """Fill a message from a JSON file, as crictl does; raises SystemExit for what it cannot be."""
    try:
        return Parse(Path(path).read_text(encoding="utf-8"), message)
    except (OSError, ParseError) as error:
        raise SystemExit(f"{path}: {error}") from None


async def change(client: CriClient, arguments: argparse.Namespace) -> str:
    """Make, start, stop or remove a pod or container; return its id, or what crictl says."""
    match arguments.what:
        case "runp":
            pod_config = from_file(arguments.pod_config, cri.PodSandboxConfig())
            return str((await client.RunPodSandbox(config=pod_config)).pod_sandbox_id)
        case "create":
            pod_config = from_file(arguments.pod_config, cri.PodSandboxConfig())
            config = from_file(arguments.container_config, cri.ContainerConfig())
            made = await client.CreateContainer(pod_sandbox_id=arguments.id, config=config, sandbox_config=pod_config)
            return str(made.container_id)
        case "start":
            await client.StartContainer(container_id=arguments.id)
        case "stop":
            await client.StopContainer(container_id=arguments.id, timeout=arguments.timeout)
        case "rm":
            await client.RemoveContainer(container_id=arguments.id)
        case "stopp":
            await client.StopPodSandbox(pod_sandbox_id=arguments.id)
            return f"Stopped sandbox {arguments.id}"
        case "rmp":
            if arguments.force:
                await client.StopPodSandbox(pod_sandbox_id=arguments.id)
            await client.RemovePodSandbox(pod_sandbox_id=arguments.id)
            return f"Removed sandbox {arguments.id}"
    return str(arguments.id)


async def run(arguments: argparse.Namespace) -> int:
    """Run the chosen command; return the exit code."""
    async with CriClient(arguments.endpoint) as client:
        if arguments.what == "exec":
            return await execute(client, arguments.container, arguments.command)
        if arguments.what == "logs":
            answer = text(read_log(Path((await find(client, arguments.container)).log_path))).rstrip("\n")
        elif arguments.what == "inspect":
            answer = await inspected(client, (await find(client, arguments.container)).id)
        elif arguments.what == "status":
            answer = MessageToJson((await client.Status()).status, preserving_proto_field_name=True)
        elif arguments.what in ANSWERS:
            *_, answered = ANSWERS[arguments.what]
            answer = await answered(client, getattr(arguments, "operand", ""))
        elif arguments.what in CHANGES:
            answer = await change(client, arguments)
        elif arguments.what == "pods":
            shown = {"name": arguments.name, "quiet": arguments.quiet}
            answer = await pods(client, namespace=arguments.namespace, **shown)
        elif arguments.what == "ps":
            shown = {"name": arguments.name, "quiet": arguments.quiet, "everything": arguments.all}
            answer = await containers(client, **shown)
        else:
            answer = await images(client)
        sys.stdout.write(answer + "\n")
    return 0


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m lab.cri", description=__doc__.partition("\n")[0])
    parser.add_argument(
        *("--runtime-endpoint", "-r", "--endpoint"),
        dest="endpoint",
        default=os.environ.get("CONTAINER_RUNTIME_ENDPOINT") or f"unix://{DEMO_ENDPOINT}",
        help="CRI endpoint (default: CONTAINER_RUNTIME_ENDPOINT, or that of make up)",
    )
    what = parser.add_subparsers(dest="what", required=True)
    for name, about in (("pods", "list pods"), ("ps", "list containers that run")):
        lists = what.add_parser(name, help=about)
        lists.add_argument("-q", "--quiet", action="store_true", help="only ids")
        lists.add_argument("--name", default="", help="only those whose name contains this")
        lists.add_argument("-a", "--all", action="store_true", help="also what does not run")
        if name == "pods":
            lists.add_argument("--namespace", default="", help="only those whose namespace contains this")
    what.add_parser("images", help="list images")
    what.add_parser("status", help="conditions of the runtime")
    for name, about in (("logs", "print a container's log"), ("inspect", "print a container's status")):
        what.add_parser(name, help=about).add_argument("container")
    for name, (about, operand, _) in ANSWERS.items():
        asking = what.add_parser(name, help=about)
        if operand:
            asking.add_argument("operand", metavar=operand)
    for name, (about, operands) in CHANGES.items():
        changes = what.add_parser(name, help=about)
        for operand in operands:
            changes.add_argument(operand)
        if name == "stop":
            changes.add_argument("-t", "--timeout", type=int, default=0, help="seconds before it is killed")
        if name == "rmp":
            changes.add_argument("-f", "--force", action="store_true", help="stop it first")
    executing = what.add_parser("exec", help="run a command in a container")
    executing.add_argument("container")
    executing.add_argument("command", nargs=argparse.REMAINDER)
    try:
        raise SystemExit(asyncio.run(run(parser.parse_args())))
    except grpc.aio.AioRpcError as error:
        raise SystemExit(f"{error.code().name}: {error.details()}") from None


if __name__ == "__main__":
    main()
