"""The form of a recorded pod start, and the check that a committed record has it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

How = Literal["client", "ledger", "span", "tap", "process"]

HOW: Final[dict[How, str]] = {
    "client": "the clock of the client that sent the kubelet's three requests",
    "ledger": "cri-shim's own ledger",
    "span": "a span that containerd exported",
    "tap": "a process between two sockets that copies all bytes and notes when they came",
    "process": "the kernel's report of each program that is executed and of its end (proc connector)",
}
PARTS: Final = (
    *("kubelet", "cri-dockerd", "cri-containerd", "cri-shim", "dockerd", "containerd", "shim", "runc", "CNI"),
    *("program", "container"),
)
REQUESTS: Final = ("RunPodSandbox", "CreateContainer", "StartContainer")
_TEXTS: Final = ("architecture", "title", "recorded", "command", "client")
_KEYS: Final = {*_TEXTS, "versions", "machine", "starts", "wall_ms", "notes", "not_observed", "how", "steps"}


@dataclass(frozen=True, slots=True)
class Step:
    """``from_`` asked or ran ``to``; milliseconds count from the first request of the client.

    A duration of 0 is an instant: something that begins and goes on, such as a container's program.
    """

    from_: str
    to: str
    what: str
    start_ms: float
    duration_ms: float
    how: How

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in a record."""
        return {name.rstrip("_"): value for name, value in asdict(self).items()}


def problems(record: dict[str, Any]) -> list[str]:
    """Return what is wrong with a record; an empty list if it has the form."""
    if set(record) != _KEYS:
        return [f"keys: {sorted(set(record) ^ _KEYS)} are missing or unknown"]
    wrong = [f"{name} is not a text" for name in _TEXTS if not (isinstance(record[name], str) and record[name])]
    if not {"kernel", "cores", "distribution"} <= set(record["machine"]):
        wrong.append("machine: kernel, cores and distribution are needed")
    if not record["versions"] or not all(isinstance(value, str) and value for value in record["versions"].values()):
        wrong.append("versions: a text for each program")
    steps = record["steps"]
    for number, step in enumerate(steps):
        wrong += [f"step {number}: {problem}" for problem in _step_problems(step, record["wall_ms"])]
    if [step["what"] for step in steps if step["from"] == "kubelet"] != list(REQUESTS):
        wrong.append(f"the client sends {', '.join(REQUESTS)}, in this order")
    if sorted(steps, key=lambda step: step["start_ms"]) != steps:
        wrong.append("steps are in order of their start")
    if record["how"] != {name: HOW.get(name) for name in sorted({step["how"] for step in steps})}:
        wrong.append("how: the ways that the steps have, each with its meaning")
    wrong += [
        f"not_observed {one}: from, to and why"
        for one in record["not_observed"]
        if set(one) != {"from", "to", "why"} or not {one["from"], one["to"]} <= set(PARTS)
    ]
    return wrong


def _step_problems(step: dict[str, Any], wall_ms: float) -> list[str]:
    if set(step) != {"from", "to", "what", "start_ms", "duration_ms", "how"}:
        return [f"it has the keys {sorted(step)}"]
    wrong = []
    if step["from"] not in PARTS or step["to"] not in PARTS:
        wrong.append(f"{step['from']} or {step['to']} is not one of {', '.join(PARTS)}")
    if not step["what"]:
        wrong.append("what is empty")
    if step["how"] not in get_args(How):
        wrong.append(f"{step['how']} is not a way of observing")
    if not (0 <= step["start_ms"] <= wall_ms and step["duration_ms"] >= 0):
        wrong.append(f"{step['start_ms']} ms and {step['duration_ms']} ms are not within the pod's start")
    return wrong
