"""What a recording may hold: the types and limits of every value, which msgspec checks while it reads.

The names are those of the daemon's JSON (docs/ledger.md). What this release does not know is skipped, and what an
earlier one did not write has a default, so that recordings can be read across releases.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Raw, Struct, field

Text: TypeAlias = Annotated[str, Meta(max_length=8192)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""Numbers up to here are the same in Python and in a browser."""
Small: TypeAlias = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Milliseconds: TypeAlias = Annotated[float, Meta(ge=-1e6, le=1e12)]
Length: TypeAlias = Annotated[float, Meta(ge=0, le=1e12)]
Moment: TypeAlias = Annotated[float, Meta(ge=0, le=32503680000)]
"""Unix seconds, up to the year 3000."""
Split: TypeAlias = Literal["spans", "estimate", "mixed", "none"]
Known: TypeAlias = Literal["measured", "estimate", "none"]


class HopShape(Struct):
    """One call to containerd."""

    method: Text
    start_ms: Milliseconds
    duration_ms: Length
    code: Text
    bytes_out: Count = 0
    bytes_in: Count = 0
    attempts: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 1
    daemon_ms: Length = 0.0
    transport_ms: Length = 0.0
    transport_error_ms: Length = 0.0
    split: Split = "none"


class HelperShape(Struct):
    """One program that ran."""

    name: Text
    command: Text
    start_ms: Milliseconds
    duration_ms: Length
    exit_code: Small | None = None


class StretchShape(Struct):
    """A stage or a wait."""

    name: Text
    start_ms: Milliseconds
    duration_ms: Length


class BillShape(Struct):
    """The parts of the bill that the others follow from."""

    wall_ms: Length
    transport_ms: Length = 0.0
    work_ms: Length = 0.0
    work_cpu_ms: Length = 0.0
    queue_ms: Length = 0.0
    world_ms: Length = 0.0
    front_ms: Length = 0.0
    front_error_ms: Length = 0.0
    front_known: Known = "none"
    hops_ms: Length = 0.0
    hops_sum_ms: Length = 0.0
    helpers_ms: Length = 0.0
    helpers_sum_ms: Length = 0.0
    own_ms: Length = 0.0
    daemon_sum_ms: Length = 0.0
    transport_sum_ms: Length = 0.0
    transport_error_ms: Length = 0.0
    split: Split = "none"


class PodNameShape(Struct):
    """The pod that a request is about."""

    id: Text = ""
    namespace: Text = ""
    name: Text = ""


class ContainerNameShape(Struct):
    """The container that a request is about."""

    id: Text = ""
    name: Text = ""
    image: Text = ""


class RequestShape(Struct):
    """One answered request."""

    id: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    method: Text
    started_at: Moment
    code: Text
    bill: BillShape
    clock_ms: Length | None = None
    """When it came in by the daemon's own clock, which is not set back; earlier releases did not record it."""
    api: Text = "v1"
    error: Text = ""
    trace_id: Text = ""
    subject: Annotated[dict[Text, Text], Meta(max_length=32)] = field(default_factory=dict)
    pod: PodNameShape | None = None
    container: ContainerNameShape | None = None
    hops: Annotated[list[HopShape], Meta(max_length=20_000)] = field(default_factory=list)
    helpers: Annotated[list[HelperShape], Meta(max_length=20_000)] = field(default_factory=list)
    stages: Annotated[list[StretchShape], Meta(max_length=20_000)] = field(default_factory=list)
    waits: Annotated[list[StretchShape], Meta(max_length=20_000)] = field(default_factory=list)


class ContainerShape(Struct):
    """One container of a pod."""

    id: Text
    name: Text = ""
    image: Text = ""
    state: Text = ""
    created_at: Moment | None = None
    started_at: Moment | None = None
    finished_at: Moment | None = None
    exit_code: Small | None = None
    reason: Text = ""


class PodShape(Struct):
    """One pod as it was when the recording ended, without the totals, which follow from the requests."""

    id: Text
    namespace: Text = ""
    name: Text = ""
    uid: Text = ""
    attempt: Count | None = None
    state: Text = ""
    reason: Text = ""
    created_at: Moment | None = None
    removed_at: Moment | None = None
    handler: Text = ""
    ips: Annotated[list[Text], Meta(max_length=64)] = field(default_factory=list)
    containers: Annotated[list[ContainerShape], Meta(max_length=2000)] = field(default_factory=list)
    last_request: Count | None = None


class NodeShape(Struct):
    """What the daemon said about itself and its node."""

    version: Text = ""
    containerd_version: Text = ""
    containerd_address: Text = ""
    null_hop_ms: Length | None = None
    null_hop_error_ms: Length | None = None
    front_ms: Length | None = None
    front_error_ms: Length | None = None
    front_known: Literal["measured", "estimate", "mixed", "none"] = "none"
    loop_lag_ms: Length = 0.0
    started_at: Moment = 0.0
    ready: bool = True
    unready_reason: Text = field(default="", name="why_not")
    pods: Count = 0
    containers: Count = 0


class EventShape(Struct):
    """One live event, without the summaries of requests, which are in the recording anyway."""

    at_ms: Length
    """Milliseconds since the recording began."""
    event: Literal["start", "hop", "helper", "end", "settled", "lost"]
    id: Count = 0
    method: Text = ""
    name: Text = ""
    command: Text = ""
    phase: Literal["", "start", "end"] = ""
    code: Text = ""
    events: Count = 0


class LeftOut(Struct):
    """What was there and is not in the recording."""

    requests: Count = 0
    """Older ones, beyond the limit of a recording."""
    running: Count = 0
    """Not answered when the recording ended."""
    events: Count = 0
    """Older live events, beyond the limit, and those that the daemon could not send fast enough."""


class RecordingShape(Struct):
    """The whole file; requests, pods and events are read one by one, so that an error can name the one."""

    format: Text
    version: Count
    began_at: Moment
    ended_at: Moment
    written_by: Text = ""
    host: Text = ""
    pod: Text = ""
    """``NAMESPACE/NAME`` if only one pod was recorded."""
    complete: bool = True
    """False if the daemon went away before the recording ended."""
    left_out: LeftOut = field(default_factory=LeftOut)
    node: NodeShape = field(default_factory=NodeShape)
    calibration: Raw = field(default_factory=lambda: Raw(b"null"))
    pods: list[Raw] = field(default_factory=list)
    requests: list[Raw] = field(default_factory=list)
    events: list[Raw] = field(default_factory=list)
