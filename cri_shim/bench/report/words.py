"""What the report says in whole sentences, for a reader who has seen neither the project nor this run."""

from __future__ import annotations

from cri_shim.bench import noise, verdict
from cri_shim.bench.estimate import CONFIDENCE, DRAWS
from cri_shim.bench.report.numbers import percent


def _paragraphs(text: str) -> tuple[str, ...]:
    """Blocks of lines, each as one line."""
    return tuple(" ".join(block.split()) for block in text.strip().split("\n\n"))


HOW = _paragraphs(f"""
    **One client, alternating.** The same program asks all sides, with requests that are serialised before the clock
    starts and answers that are not read before it stops. In each round every side has one turn; the order is turned
    round with each round (A B, B A, …), so that a drift of the machine hits both.

    **Warm.** Images are there and unpacked, the connection is open, and turns for warming up do not count.

    **The ratio** is the median over rounds of (median of the side's samples in the round) / (the first side's). Its
    interval is the {CONFIDENCE:.0%} percentile bootstrap over rounds ({DRAWS} draws). Less is always better.

    **A verdict** needs at least {verdict.MIN_PAIRS} rounds, an interval that has 1 outside or is narrower than
    {percent(verdict.MAX_WIDTH)}, and a quiet machine. Before each turn a loop of fixed work runs on every core:
    something else may have had the cores for more than {percent(noise.DISTURBED)} of it before at most
    {percent(noise.DISTURBED_TURNS)} of the turns, its CPU time may not vary by more than a factor of
    {noise.SPEED_SPREAD}, and the hypervisor may not keep more than {percent(noise.STOLEN)} of the time. Else there
    is no verdict, whatever the numbers say.

    **p50, p95 and p99** are of all samples of a side; p99 of fewer than a hundred is near the largest.

    **CPU time** comes from /proc: of each daemon, of programs that daemons ran and waited for (helpers: CNI
    plugins, mount helpers), of shims that lived through the whole turn, of the client, and of the whole machine.
    What shims and containers spend that come and go within a turn is in the rest of the machine. The kernel counts
    hundredths of a second.
""")

NOT_SHOWN = _paragraphs("""
    One machine, one kernel, one configuration, hours and not weeks. Ratios travel better than milliseconds, neither
    far.

    The client is a Python program on the same cores: it adds the same to each side, so ratios of short calls are
    nearer to 1 than a faster client would see them.

    The pods are small and idle, their image is one layer, the registry is on loopback. With a slow disk, a slow
    registry or a slow CNI plugin, those decide, and the sides come nearer to each other.

    No kubelet: the rhythm of its calls is imitated, its own work is not there.

    All sides are on the machine at the same time; while one has its turn the others are idle, and their memory is
    there.

    What happens under failures, over days, or when memory is short is not measured here.
""")

SAME_WORK = """\
Before anything was timed, the same pods were run on each side and looked at from inside and from the node. A run \
fails when a fact differs. The same were: {facts}. In every turn that follows, what was asked for is counted: pods \
that run, lines that were logged, bytes that came, images that are there."""

NOT_QUIET = """\
**The machine was not quiet while this was measured: {reasons}.** Steps that were disturbed have no verdict, and \
their numbers say little; see the table of how quiet it was."""

STEP_NOT_QUIET = "No verdict on this step: {reasons}."

RATIOS = """\
Each ratio is {other} / {first} with its 95 % interval: left of the line {other} takes less, right of it more. Grey: \
no difference seen, or no verdict."""

SPLIT = """\
Mean per RPC. A bridge says in each answer what it was made of: {at_work} and {transport} (the hops), {helpers} (CNI \
plugins while no hop was in flight), {own} (neither). Of others only the whole is known."""

ESTIMATE = """\
**Transport is an estimate** here: this containerd tells no spans of its own, so a null call on the idle connection \
stands for it, and the rest of a hop counts as containerd's work."""

TWO_RUNS = """\
Each run is judged by itself; only its ratios are put beside each other, because times of different days also tell \
how the machine was. A ratio has changed where the intervals of both do not touch and both have a verdict."""
