"""Gather what a pod and its containers got, seen from inside them and from the node: facts that must be the same.

What belongs to only one run (ids, addresses, directories) is replaced by a word, so that the facts of two sides can be
compared as they are. The container's image needs a shell, cat, readlink, nc and httpd; busybox has them all. A missing
address, and a log that is missing or has another format, are facts, too.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.log_lines import log_facts
from cri_shim.bench.endpoint.node import Samples, next_name
from cri_shim.bench.endpoint.pod import Pod, remove_all
from cri_shim.bench.endpoint.pod_configs import container_config, log_file
from cri_shim.bench.endpoint.statistics_lists import COMPLETE, coverage_of_statistics
from cri_shim.bench.parity.surroundings import ASK_INTERFACE, attachment, plugins, sandbox_process
from untrusted.text import decode_utf8, escaped

if TYPE_CHECKING:
    from cri_shim.bench.endpoint.node import Node

REACHED = "answered"
"""The fact of the kind ``reachability`` when all is well; equal failures do not count as equal work."""
Facts = dict[str, dict[str, str]]
"""From the kind to the name to the value."""

_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
_OF_STATUS = (
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Umask",
)
_CGROUP_FILES = (
    *("memory/memory.limit_in_bytes", "cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"),
    *("pids/pids.max", "cpuset/cpuset.cpus", "memory/memory.oom_control", "blkio/blkio.weight"),
    *("memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max", "cpuset.cpus"),
)
_FILES = (
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/proc/1/cgroup",
    "/proc/1/oom_score_adj",
    "/proc/1/limits",
)
_SYSCTLS = ("net/ipv4/ip_unprivileged_port_start", "net/ipv4/ping_group_range", "kernel/shm_rmid_forced")
_PORT = 8080
_PAGE = "the same page everywhere"
_SERVE = f"mkdir -p /www && echo '{_PAGE}' >/www/index.html && exec httpd -f -p {_PORT} -h /www"
_TALK = (
    "echo first; echo second >&2; printf '%20000d\\n' 7; printf 'no newline'; i=0; "
    "while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); done; exit 3"
)
_PATIENCE = 20.0
_LONGEST_LOG = 1 << 20


async def gather(node: Node) -> Facts:
    """Run two pods, inspect them from all sides, and remove them; after an error the caller has to remove them."""
    served, asking = (
        Pod.of(node, next_name("facts"), command) for command in (("sh", "-c", _SERVE), ("sleep", "86400"))
    )
    for pod in (served, asking):
        await pod.start(Samples())
    second = await _second_container(served)
    facts = await _from_inside(served, second)
    facts["pod process"] = {"": await asyncio.to_thread(sandbox_process, served.id, node.shims())}
    facts["network"] = await _network(served)
    facts["reachability"] = await _reachability(served, asking, second)
    facts["statistics"] = await _statistics(node)
    facts["log lines"] = await _log_lines(node)
    await remove_all(node)
    return facts


async def _second_container(pod: Pod) -> Pod:
    """Run another container of the same pod, and return it as a pod."""
    other = Pod(pod.node, pod.config, container_config(pod.node.place, pod.config, name="second"), pod.id)
    await other.start_container(Samples())
    return other


async def _from_inside(pod: Pod, second: Pod) -> Facts:
    ip = await pod.ip()
    words = {
        pod.container_id: "ID",
        pod.id: "POD",
        pod.config.metadata.uid: "UID",
        pod.config.metadata.name: "NAME",
        ip: "IP",
        pod.node.place.cgroup_parent: "PARENT",
    }

    async def printed(script: str, of: Pod = pod) -> str:
        done = await of.exec("sh", "-c", script)
        text = decode_utf8(done.stdout)
        for own, word in words.items():
            text = text.replace(own, word) if own else text
        return text

    links = f"for name in {' '.join(_NAMESPACES)}; do echo $name: $(readlink /proc/1/ns/$name); done"
    mine = _pairs(await printed(links))
    others = _pairs(await printed(links, second))
    status = _pairs(await printed("cat /proc/1/status"))
    show = 'for f in {}; do if [ -e $f ]; then echo "== $f"; cat $f; fi; done'
    cgroup = await printed(show.format(" ".join(f"/sys/fs/cgroup/{name}" for name in _CGROUP_FILES)))
    files = await printed(show.format(" ".join(_FILES)))
    sysctls = await printed(show.format(" ".join(f"/proc/sys/{name}" for name in _SYSCTLS)))
    return {
        "namespaces": {name: _whose(name, mine.get(name, ""), others.get(name, "")) for name in _NAMESPACES},
        "mounts": _mounts(await printed("cat /proc/1/mountinfo")),
        "cgroup values": _sections(cgroup),
        "files": _sections(files),
        "sysctls": _sections(sysctls),
        "process": {name: " ".join(status.get(name, "").split()) for name in _OF_STATUS},
        "environment": {"": "\n".join(sorted((await printed("cat /proc/1/environ")).split("\0")))},
        "devices": {"": await printed("ls /dev")},
        "interfaces": {"": " ".join(re.findall(r"^\s*(\S+):", await printed("cat /proc/net/dev"), re.MULTILINE))},
    }


async def _network(pod: Pod) -> dict[str, str]:
    """Return the chain of plugins, and what the pod's interface is on the node."""
    printed = decode_utf8((await pod.exec("sh", "-c", ASK_INTERFACE)).stdout)
    return {"CNI plugins": await plugins(pod.node), **attachment(_pairs(printed))}


def _pairs(text: str) -> dict[str, str]:
    """Return the lines ``name: value``; others are left out."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, colon, value in pairs if colon}


def _whose(name: str, link: str, of_second: str) -> str:
    """Return whose namespace it is: the node's, the pod's (both containers have it), or the container's own."""
    if not link:
        return "unknown"
    if link == str(Path("/proc/self/ns", name).readlink()):
        return "the node's"
    return "the pod's" if link == of_second else "the container's own"


def _mounts(mountinfo: str) -> dict[str, str]:
    """Return by mount point the type and options of each mount there; where its content comes from differs by run."""
    mounts: dict[str, list[str]] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, of_file_system = before.split(), after.split(" ", 2)
        if len(fields) < 6 or len(of_file_system) < 3:
            continue  # an error message, or a line that is cut
        kind, _source, superblock = of_file_system
        shared = superblock if kind in {"tmpfs", "proc", "sysfs", "mqueue", "devpts"} else superblock.split(",")[0]
        mounts.setdefault(fields[4], []).append(f"{kind} {fields[5]} {shared}")
    return {point: "; ".join(each) for point, each in mounts.items()}


def _sections(text: str) -> dict[str, str]:
    """Return by name what follows each ``== name`` line."""
    pieces = re.split(r"^== (.*)$", text, flags=re.MULTILINE)[1:]
    return {name: content.strip() for name, content in zip(pieces[::2], pieces[1::2], strict=True)}


async def _reachability(served: Pod, asking: Pod, second: Pod) -> dict[str, str]:
    """Return who gets the page of the pod's web server."""
    ip = await served.ip()
    fetch = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {{}} {_PORT} | tail -n 1"
    pages = {"from the node": await _page(ip) if ip else "the pod has no address"}
    for who, pod, host in (("from another pod", asking, ip), ("from its own pod, on localhost", second, "127.0.0.1")):
        pages[who] = decode_utf8((await pod.exec("sh", "-c", fetch.format(host))).stdout).strip()
    return {who: REACHED if page == _PAGE else f"no answer ({escaped(page)!r})" for who, page in pages.items()}


async def _page(ip: str) -> str:
    """Get the page by HTTP, retrying until the server is up."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(ip, _PORT), 2)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 2)
            writer.close()
            return decode_utf8(answer.partition(b"\r\n\r\n")[2]).strip()
        except (OSError, TimeoutError) as error:
            if time.monotonic() > deadline:
                return str(error)
            await asyncio.sleep(0.05)


async def _statistics(node: Node) -> dict[str, str]:
    """Return how complete the lists of statistics are; an incomplete one is not measured on this side."""
    coverage = await coverage_of_statistics(node)
    for rpc, what in coverage.items():
        if what != COMPLETE:
            node.left_out.setdefault(rpc, f"the list is {what}")
    return coverage


async def _log_lines(node: Node) -> dict[str, str]:
    """Return what a container with known output leaves in its log file, and how it ended."""
    pod = Pod.of(node, next_name("facts"), ("sh", "-c", _TALK))
    await pod.start(Samples())
    status = await _ended(pod)
    content = await asyncio.to_thread(_beginning, log_file(pod.config, pod.container))
    ended = status.state == cri.CONTAINER_EXITED
    return {
        **({"format": content} if isinstance(content, str) else log_facts(content)),
        "exit code": str(status.exit_code) if ended else f"it did not end in {_PATIENCE:.0f} s",
    }


def _beginning(log: Path) -> bytes | str:
    """Return the beginning of a log file, or a sentence that says why there is none."""
    try:
        with log.open("rb") as file:
            return file.read(_LONGEST_LOG)
    except OSError as error:
        return f"no file at the requested path: {error.strerror}"


async def _ended(pod: Pod) -> cri.ContainerStatus:
    deadline = time.monotonic() + _PATIENCE
    while True:
        request = cri.ContainerStatusRequest(container_id=pod.container_id)
        status = (await pod.node.client.ask("ContainerStatus", request, cri.ContainerStatusResponse)).status
        if status.state == cri.CONTAINER_EXITED or time.monotonic() > deadline:
            return status
        await asyncio.sleep(0.05)
