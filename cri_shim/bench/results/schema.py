"""What a comparison leaves behind: one JSON document, described by these dataclasses and nothing else.

Units: times of samples are milliseconds, CPU is seconds, memory is MiB, moments are Unix seconds. Every sample is
"lower is better". ``SCHEMA`` changes when a reader of the old form would misread the new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from msgspec import Struct

SCHEMA = 2
"""1 kept the mean of each RPC's bills, which had other parts; such files are still read (``result_file.load``)."""


@dataclass(frozen=True, slots=True)
class Process:
    """A daemon whose time and memory belong to a side."""

    name: str
    pid: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One endpoint. The first of a run is what the others are measured against."""

    name: str
    endpoint: str
    runtime: str
    """Name and version as the endpoint's ``Version`` tells them."""
    processes: tuple[Process, ...] = ()
    configuration: str = ""
    """What ``Status`` tells about the configuration when asked to be verbose, shortened to what a reader compares."""
    api: str = "v1"
    """The version of the CRI that was spoken with it."""
    left_out: dict[str, str] = field(default_factory=dict)
    """RPCs that are not measured on this side, and why."""


@dataclass(frozen=True, slots=True)
class CallingClient:
    """What made the calls and held the clock."""

    name: str
    version: str = ""
    command: str = ""
    """How it was run; empty for the client within the program that compares."""


@dataclass(frozen=True, slots=True)
class NullCalls:
    """Calls of ``Version`` by one client to one side: what a call takes whatever it asks for."""

    client: str
    side: str
    rhythm: str
    """How fast they followed each other, such as ``every 40 ms``."""
    samples: list[float] = field(default_factory=list)
    """Milliseconds."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran. Two runs on machines that differ in this are not compared as one."""

    kernel: str
    distribution: str
    cpu: str
    cores: int
    memory_mib: int
    cgroups: str
    boot_id: str
    runc: str
    python: str
    grpc: str
    event_loop: str


@dataclass(frozen=True, slots=True)
class Probe:
    """How quiet the machine was just before a turn, measured by a loop of fixed work on every core."""

    loop_ms: float
    """CPU time of the loop on the slowest core: grows when the host slows the machine down."""
    waited: float
    """Share of the loop's wall time during which something else had the core, 0 to 1."""
    load: float
    """Load average over one minute."""


@dataclass(frozen=True, slots=True)
class Bills:
    """What the answers of one RPC said about themselves in one turn, request by request.

    The names are those of the bill (docs/ledger.md). ``not_accounted_for`` stands beside them: the time that the client
    saw less the front hop and the daemon's wall time. It is negative where the estimated front hop was too long.
    """

    count: int
    """How many of the answers carried a bill."""
    parts: dict[str, list[float]] = field(default_factory=dict)
    """By part, ``count`` values in the order of the requests, in ms (counts as they are). A part is left out when it
    was 0 in all of them."""
    split: dict[str, int] = field(default_factory=dict)
    """How the transport of how many requests with hops is known: ``spans``, ``estimate``, ``mixed`` or ``none``."""
    front_known: dict[str, int] = field(default_factory=dict)
    """How the front hop of how many requests is known: ``measured``, ``estimate`` or ``none``."""


@dataclass(frozen=True, slots=True)
class SideRun:
    """What one side did in one round."""

    seconds: float
    samples: dict[str, list[float]]
    """By metric; milliseconds."""
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds: each daemon by name, ``helpers`` (programs that daemons ran or keep running), ``shims``,
    ``client``, ``machine``."""
    memory: dict[str, float] = field(default_factory=dict)
    """MiB at the end: the resident set (RSS) of each daemon by name, ``machine`` (total less available). In runs of
    schema 1 also ``shims``, proportional."""
    bills: dict[str, Bills] = field(default_factory=dict)
    """By RPC, for sides whose answers carry bills."""
    probe: Probe = Probe(0, 0, 0)
    stolen: float = 0.0
    """Share of the machine's time that the hypervisor kept, 0 to 1."""
    mean_bills: dict[str, dict[str, float]] = field(default_factory=dict)
    """By RPC, only in runs of schema 1: the mean of bills of the older form, whose words mean something else."""
    pss: dict[str, float] = field(default_factory=dict)
    """MiB at the end, each page shared out among the processes that have it: each daemon by name, ``shims`` and, where
    daemons keep other processes running, ``helpers``."""
    uss: dict[str, float] = field(default_factory=dict)
    """MiB at the end, pages that no other process has: each daemon by name, ``shims``."""


class Round(Struct, frozen=True, rename={"side_runs": "turns"}):
    """One turn of every side, in ``order``, and in the step `floor` one of its script.

    A round that was not finished is not kept: its runs would be no pair. The stored form calls ``side_runs`` ``turns``.
    """

    number: int
    started_at: float
    order: tuple[str, ...]
    side_runs: dict[str, SideRun]


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the report: a key of a turn's samples, and what it is called there."""

    key: str
    label: str
    main: bool = False
    """Whether it is one of the numbers that the first page tells."""
    sum_of: tuple[str, ...] = ()
    """The RPCs that it is the sum of, made one after the other; their bills are added up in the same way."""


@dataclass(frozen=True, slots=True)
class Step:
    """One scenario with so many idle pods around it, described so that the file explains itself."""

    scenario: str
    pods: int
    options: dict[str, float | str]
    """What decides how much work a turn is."""
    title: str = ""
    about: str = ""
    metrics: tuple[Metric, ...] = ()
    rounds: tuple[Round, ...] = ()
    rhythm: str = ""
    """How fast calls follow each other, such as ``every 40 ms``; empty where that is not varied, or back to back."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sides that take no part in the step, and why: what the first attempt to do its work ended with."""

    @property
    def name(self) -> str:
        """As on the command line and in headings."""
        where = f"{self.scenario}@{self.pods}" if self.pods or self.rhythm else self.scenario
        return f"{where} {self.rhythm}" if self.rhythm else where


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that is not the same on all sides."""

    kind: str
    name: str
    values: dict[str, str]
    """By side; of values of several lines only those that not all sides have."""


@dataclass(frozen=True, slots=True)
class Parity:
    """What was checked before anything was timed: what a pod and its containers are given, seen from inside them."""

    checked_at: float
    facts: dict[str, int]
    """By kind (namespaces, mounts, …): how many facts were the same on all sides."""
    tolerated: tuple[str, ...] = ()
    """Differences that are known and do no work, in words."""
    differences: tuple[Difference, ...] = ()
    """All others. Runs of before this was kept have none: they ended when a fact differed."""


@dataclass(frozen=True, slots=True)
class Run:
    """The whole document."""

    schema: int
    command: str
    started_at: float
    machine: Machine
    sides: tuple[Side, ...]
    notes: tuple[str, ...] = ()
    """What whoever set the sides up wants a reader to know."""
    parity: Parity | None = None
    steps: tuple[Step, ...] = ()
    client: CallingClient | None = None
    """None in a run of before there was another than the client within the program."""
    null_calls: tuple[NullCalls, ...] = ()
    """By the client that was measured with and, where that is another, the one within the program."""
    resumed_at: tuple[float, ...] = ()
    """When somebody went on with it."""

    def seen_in(self, step: Step) -> Run:
        """The run with those of its sides alone that take part in a step."""
        return replace(self, sides=tuple(side for side in self.sides if side.name not in step.left_out))
