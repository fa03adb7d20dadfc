"""The stored form of a comparison: one JSON document, described only by these dataclasses.

Units: times of samples are milliseconds, CPU is seconds, memory is MiB, moments are Unix seconds. Every sample is
"lower is better". ``SCHEMA`` changes when a reader of the old form would misread the new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from msgspec import Struct

KUBELET = "kubelet"
"""The scenario with a real kubelet, and the name of its process among the amounts of a run."""
SCHEMA = 2
"""Schema 1 kept the mean of each RPC's bills, which had other parts; it can still be read (``result_file.load``)."""


@dataclass(frozen=True, slots=True)
class Process:
    """A daemon whose time and memory belong to a side."""

    name: str
    pid: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One endpoint. The other sides of a run are compared with the first one."""

    name: str
    endpoint: str
    runtime: str
    """Name and version from the endpoint's ``Version``."""
    processes: tuple[Process, ...] = ()
    configuration: str = ""
    """The configuration from a verbose ``Status``, shortened to what a reader compares."""
    api: str = "v1"
    """The version of the CRI that the client used."""
    left_out: dict[str, str] = field(default_factory=dict)
    """RPCs that are not measured on this side, and the reasons."""


@dataclass(frozen=True, slots=True)
class CallingClient:
    """The client that made the calls and held the clock."""

    name: str
    version: str = ""
    command: str = ""
    """The command that ran it; empty for the client within the program that compares."""


@dataclass(frozen=True, slots=True)
class NullCalls:
    """Calls of ``Version`` by one client to one side: the time that a call takes whatever its content."""

    client: str
    side: str
    rhythm: str
    """How fast they followed each other, such as ``every 40 ms``."""
    samples: list[float] = field(default_factory=list)
    """Milliseconds."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine of the run. Runs on machines that differ in any of this are not compared as one."""

    kernel: str
    distribution: str
    cpu: str
    cores: int
    memory_mib: int
    cgroups: str
    boot_id: str
    runc: str
    """Name and version of the OCI runtime, which need not be runc."""
    python: str
    grpc: str
    event_loop: str


@dataclass(frozen=True, slots=True)
class Probe:
    """How quiet the machine was just before a run, measured by a loop of fixed work on every core."""

    loop_ms: float
    """CPU time of the loop on the slowest core: grows when the host slows the machine down."""
    waited: float
    """Share of the loop's wall time during which other work used the core, 0 to 1."""
    load: float
    """Load average over one minute."""


@dataclass(frozen=True, slots=True)
class Bills:
    """The bills in the answers of one RPC in one run, request by request.

    The names are those of the bill (docs/ledger.md). ``not_accounted_for`` is added to them: the time that the client
    saw less the front hop and the daemon's wall time. It is negative where the estimated front hop was too long.
    """

    count: int
    """How many of the answers carried a bill."""
    parts: dict[str, list[float]] = field(default_factory=dict)
    """By part, ``count`` values in the order of the requests, in ms (counts as they are). A part is left out when it
    was 0 in all of them."""
    split: dict[str, int] = field(default_factory=dict)
    """From the source of transport (``spans``, ``estimate``, ``mixed``, ``none``) to how many requests with hops."""
    front_known: dict[str, int] = field(default_factory=dict)
    """From the source of the front hop (``measured``, ``estimate``, ``none``) to the number of requests."""


@dataclass(frozen=True, slots=True)
class SideRun:
    """The run of one side in one round."""

    seconds: float
    samples: dict[str, list[float]]
    """By metric; milliseconds."""
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds: each daemon by name, ``helpers`` (programs that daemons ran or keep running), ``shims``,
    ``client``, ``machine``; under a kubelet also ``kubelet``, with the programs that it ran."""
    memory: dict[str, float] = field(default_factory=dict)
    """MiB at the end: the resident set (RSS) of each daemon by name, ``machine`` (total less available). In runs of
    schema 1 also ``shims``, proportional. Under a kubelet also ``kubelet``, here and in the other two measures."""
    bills: dict[str, Bills] = field(default_factory=dict)
    """By RPC, for sides whose answers carry bills."""
    probe: Probe = Probe(0, 0, 0)
    stolen: float = 0.0
    """Share of the machine's time that the hypervisor took, 0 to 1."""
    mean_bills: dict[str, dict[str, float]] = field(default_factory=dict)
    """By RPC, only in runs of schema 1: the mean of bills of the older form, whose words mean something else."""
    pss: dict[str, float] = field(default_factory=dict)
    """MiB at the end, each page divided among the processes that have it: each daemon by name, ``shims`` and, where
    daemons keep other processes running, ``helpers``."""
    uss: dict[str, float] = field(default_factory=dict)
    """MiB at the end, pages that no other process has: each daemon by name, ``shims``."""


class Round(Struct, frozen=True, rename={"side_runs": "turns"}):
    """One run of every side, in ``order``, and in the step `floor` one of its script.

    A round that was not finished is not kept, because its runs would not be pairs. The stored form calls ``side_runs``
    ``turns``.
    """

    number: int
    started_at: float
    order: tuple[str, ...]
    side_runs: dict[str, SideRun]


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the report: a key of a run's samples, and its label."""

    key: str
    label: str
    main: bool = False
    """Whether the first page shows it."""
    sum_of: tuple[str, ...] = ()
    """The RPCs that it is the sum of, made one after the other; their bills are summed likewise."""


@dataclass(frozen=True, slots=True)
class Step:
    """One scenario with a number of idle pods around it, described so that the file explains itself."""

    scenario: str
    pods: int
    options: dict[str, float | str]
    """What decides how much work a run is."""
    title: str = ""
    about: str = ""
    metrics: tuple[Metric, ...] = ()
    rounds: tuple[Round, ...] = ()
    rhythm: str = ""
    """How fast calls follow each other, such as ``every 40 ms``; empty if that is not varied, or is back to back."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sides that take no part in the step, and the reason: the error of the first attempt to do its work."""

    @property
    def name(self) -> str:
        """The name on the command line and in headings."""
        where = f"{self.scenario}@{self.pods}" if self.pods or self.rhythm else self.scenario
        return f"{where} {self.rhythm}" if self.rhythm else where


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that is not the same on all sides."""

    kind: str
    name: str
    values: dict[str, str]
    """By side; of values with several lines only those that not all sides have."""


@dataclass(frozen=True, slots=True)
class Parity:
    """What was checked before anything was timed: what a pod and its containers get, seen from inside them."""

    checked_at: float
    facts: dict[str, int]
    """By kind (namespaces, mounts, …): how many facts were the same on all sides."""
    tolerated: tuple[str, ...] = ()
    """Known differences that do not change the work, in words."""
    differences: tuple[Difference, ...] = ()
    """All others. Older runs have none, because they ended when a fact differed."""
    other_work: dict[str, list[str]] = field(default_factory=dict)
    """The sides that do other work than the first one, with the kinds and names of the facts in which they differ.
    Their numbers are in the same steps; reports show them apart. Older runs lack this, but have the differences."""


@dataclass(frozen=True, slots=True)
class Run:
    """The whole document."""

    schema: int
    command: str
    started_at: float
    machine: Machine
    sides: tuple[Side, ...]
    notes: tuple[str, ...] = ()
    """Notes for the reader from the person or program that set the sides up."""
    parity: Parity | None = None
    steps: tuple[Step, ...] = ()
    client: CallingClient | None = None
    """None in a run from before other clients than the one within the program existed."""
    null_calls: tuple[NullCalls, ...] = ()
    """By the client of the run and, if that is another one, by the client within the program."""
    resumed_at: tuple[float, ...] = ()
    """When the run was resumed."""

    def seen_in(self, step: Step) -> Run:
        """Return the run with only those of its sides that take part in a step."""
        return replace(self, sides=tuple(side for side in self.sides if side.name not in step.left_out))
