"""The sentences of the report, for a reader who knows neither the project nor this run."""

from __future__ import annotations

from cri_shim.bench.report.numbers import percent
from cri_shim.bench.verdicts import noise, verdict
from cri_shim.bench.verdicts.estimate import CONFIDENCE, DRAWS


def _paragraphs(text: str) -> tuple[str, ...]:
    """Return each block of lines as one line."""
    return tuple(" ".join(block.split()) for block in text.strip().split("\n\n"))


HOW = _paragraphs(f"""
    **One client, alternating.** The same program calls all sides, with requests that are serialised before the clock
    starts and answers that are not read before it stops. In each round every side has one turn; the order is reversed
    with each round (A B, B A, …), so that a drift of the machine affects both.

    **Warm.** Images are present and unpacked, the connection is open, and turns for warming up do not count.

    **The ratio** is the median over rounds of (median of the side's samples in the round) / (the first side's). Its
    interval is the {CONFIDENCE:.0%} percentile bootstrap over rounds ({DRAWS} draws). Less is always better.

    **A verdict** needs at least {verdict.MIN_PAIRS} rounds, an interval that has 1 outside or is narrower than
    {percent(verdict.MAX_WIDTH)}, and a quiet machine. Before each turn a loop of fixed work runs on every core:
    other work may have used the cores for more than {percent(noise.DISTURBED)} of it before at most
    {percent(noise.DISTURBED_RUNS)} of the turns, its CPU time may not vary by more than a factor of
    {noise.SPEED_SPREAD}, and the hypervisor may not take more than {percent(noise.STOLEN)} of the time. Otherwise
    there is no verdict, whatever the numbers say.

    **p50, p95 and p99** are of all samples of a side; p99 of fewer than a hundred is near the largest.
""")

COARSE_RESOURCES = _paragraphs("""
    **CPU time** comes from /proc: of each daemon, of programs that daemons ran and waited for (helpers: CNI
    plugins, mount helpers), of shims that lived through the whole turn, of the client, and of the whole machine.
    What shims and containers spend that come and go within a turn is in the rest of the machine. The kernel counts
    hundredths of a second.
""")

FINE_RESOURCES = _paragraphs("""
    **CPU time** is that of each daemon, of programs that daemons ran and waited for or keep running (helpers: CNI
    plugins, mount helpers), of shims that lived through the whole turn, of the client, and of the whole machine. What
    shims and containers spend that come and go within a turn is in the rest of the machine. The kernel counts
    nanoseconds of processes that run, and hundredths of a second of helpers that have ended and of the machine.

    **Memory** is read after a turn, from /proc/PID/smaps_rollup. RSS counts all pages of a process, PSS divides those
    that several processes have among them, USS counts those that no other process has. Sides are judged by the PSS of
    their daemons and of the helpers that these keep running.
""")

NOT_SHOWN = _paragraphs("""
    One machine, one kernel, one configuration, hours and not weeks. Ratios carry over to other machines better than
    milliseconds do, but neither carries far.

    The client runs on the same cores. It adds the same to each side, so ratios of short calls are nearer to 1 than a
    faster client would see them.

    The pods are small and idle, their image is one layer, the registry is on loopback. With a slow disk, a slow
    registry or a slow CNI plugin, those decide, and the sides come nearer to each other.

    All sides are on the machine at the same time; while one has its turn the others are idle, but keep their memory.

    What happens under failures, over days, or when memory is short is not measured here.
""")

NO_KUBELET = ("There is no kubelet: its calls are imitated at their usual intervals; its own work is not measured.",)

WITH_KUBELET = _paragraphs("""
    Only the step `kubelet` has a real kubelet. It has no API server, so it neither reports the node's status nor keeps
    a lease, its static pods have no volumes, and nothing reads its metrics. In all other steps its calls are imitated
    at their usual intervals.
""")

APART = """\
The numbers of these sides are real, but they are for other work than {first}'s, so they are not ranked with those \
above: a side that does less may be faster for it, and one that does more slower. How much of a difference comes from \
that is not known. What each does otherwise, in brief (the values are under "What differs in the work"):"""

APART_IN_STEP = "Apart, because they do other work than {first}: {names}."

SAME_WORK = """\
Before anything was timed, the same pods were run on each side and inspected from inside and from the node. The same \
were: {facts}. In every turn that follows, the results are counted: pods that run, lines that were logged, bytes \
that arrived, images that are present."""

NO_DIFFERENCE = "No fact differed."

DIFFERENCES = """\
**Facts that differ: {count}.** A side that gives its pods less may be faster for it, and one that gives them more may \
be slower; this comparison does not show what a difference costs. Of values with several lines, only those lines are \
shown that not all sides have."""

NOT_THE_SAME_WORK = """\
**The sides do not do all of the same work**: see "What differs in the work" (facts about their pods: {count})."""

TAKES_NO_PART = "{side} takes no part in this: {reason}."

LEFT_OUT = "Not measured on {side}: {what}."

NOT_QUIET = """\
**The machine was not quiet while this was measured: {reasons}.** Steps that were disturbed have no verdict, and \
their numbers mean little; see the table that shows how quiet it was."""

STEP_NOT_QUIET = "No verdict on this step: {reasons}."

RATIOS = """\
Each ratio is {other} / {first} with its 95 % interval: left of the line {other} takes less, right of it more. Grey: \
no difference seen, or no verdict."""

SPLIT = """\
A typical request of each RPC. A bridge reports in each answer what its time was made of; of other sides only the \
whole is known. What the client saw beyond front hop and wall time is not accounted for, and is shown."""

OLD_SPLIT = """\
Mean per RPC. A bridge reports in each answer what it was made of: {at_work} and {transport} (the hops), {helpers} \
(CNI plugins while no hop was in flight), {own} (neither). Of other sides only the whole is known."""

OLD_ESTIMATE = """\
**Transport is an estimate** here: this containerd exports no spans of its own, so a null call on the idle connection \
stands for it, and the rest of a hop counts as containerd's work."""

OLD_BILLS = """\
**These bills are of an older form**, and no price can be computed from them: `extra` and `own` leave out the front \
hop, which is most of the price of a call that only reads; `extra` counts waits for the daemon's own limits; and \
`transport` is a sum over hops, estimated from calls on a cold connection, which take longer than hops do. `awaited` \
is the part of `own` in which the daemon waited for what is not its own."""

PRICE = """\
The **price** of a request is its front hop (from the client to the daemon and back), the transport of its hops to \
containerd and the daemon's own work; waiting for its own limits and locks (own queue) and for the world (containerd \
at work, CNI plugins, processes, registries) is not in it. What **the hop cost** is the price less {first}'s own \
front hop, a null call (`Version`) in the same rhythm. What the order of work **saved** is {first}'s time plus that \
cost less {side}'s time. Both are judged by their interval over rounds, widened by the error of what is estimated."""

PRICE_READING = """\
A typical request in ms: the mean of the middle half of the rounds, and within a round of the middle half of its \
requests, by the client's time, so that parts add up to the whole. est.: estimated, give or take its error; meas.: \
the client's time of sending makes the way in a measurement, the way back is estimated; spans: from containerd's own \
spans; the other parts are measured, and what transport has too much the world has too little. Not accounted for: \
what the client saw beyond front hop and wall time, its own share."""

TWO_RUNS = """\
Each run is judged by itself; only the ratios are compared, because times of different days also show how the machine \
was. A ratio has changed where the intervals of both do not overlap and both have a verdict."""
