"""Run ``cri-shim compare``: inspect the sides, check that they do the same work, measure, report."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from cri_shim.bench import client_share, plan, start
from cri_shim.bench.clients.client import CallError
from cri_shim.bench.clients.line_process import ClientError
from cri_shim.bench.endpoint import cgroup_parents, rhythm
from cri_shim.bench.endpoint.node import Node, NotReadyError
from cri_shim.bench.endpoint.pod import remove_all
from cri_shim.bench.endpoint.pod_configs import Place
from cri_shim.bench.floor.survey import FloorPrograms
from cri_shim.bench.floor_task import floor_node, with_floor
from cri_shim.bench.measures.machine import read_machine
from cri_shim.bench.measures.processes import UnknownProcessError
from cri_shim.bench.one_at_a_time import alone_with
from cri_shim.bench.options import (
    CALLS_AT,
    KUBELET_AT,
    KUBELET_BEFORE,
    KUBELET_WINDOW,
    STEADY_AT,
    Options,
)
from cri_shim.bench.parity import facts, parity
from cri_shim.bench.parity.parity import NotTheSameError
from cri_shim.bench.progress import Progress
from cri_shim.bench.report import files, price_page
from cri_shim.bench.report.price_page import PricePageError
from cri_shim.bench.results import result_file, schema
from cri_shim.bench.results.result_file import ResultError
from cri_shim.bench.runner import Runner, seconds_of_rounds
from cri_shim.bench.scenarios import WrongWorkError
from cri_shim.bench.scenarios.floor import NAME as FLOOR
from cri_shim.bench.start import BusyError
from cri_shim.bench.verdicts import noise

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Iterator, Sequence

_EXPECTED = (
    *(BusyError, CallError, ClientError, NotReadyError, NotTheSameError, ResultError),
    *(UnknownProcessError, WrongWorkError),
    *(DecodeError, OSError, ValueError),
)
_INTERRUPTED = 130
_REMOVE_AGAIN = (0.5, 1.0, 2.0, 5.0)


def compare(options: argparse.Namespace) -> int:
    """Measure and report. Return the exit code: 0 done, 1 failed (standard error says why), 130 interrupted."""
    if not options.announced and announce(options):
        return 1
    try:
        with _ended_as_interrupted():
            run = asyncio.run(_compare(options))
    except KeyboardInterrupt:
        _say(f"interrupted; run the same command again to resume {options.output}")
        return _INTERRUPTED
    except (*_EXPECTED, ExceptionGroup) as failed:
        causes = _leaves(failed)
        if not all(isinstance(cause, _EXPECTED) for cause in causes):
            raise
        for sentence in dict.fromkeys(map(_sentence, causes)):
            _say(sentence)
        return 1
    sys.stdout.write(files.short(run))
    return _write(run, None, options, options.output)


@contextlib.contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """Treat SIGTERM like SIGINT, because a comparison that ends otherwise leaves its pods behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # A shell makes background jobs ignore SIGINT; asyncio then would not see it raised here either.
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)


def announce(options: argparse.Namespace) -> int:
    """Print how long the run takes, and whether the machine is too busy, before any set-up; return the exit code."""
    try:
        _announce(options)
    except _EXPECTED as failed:
        _say(_sentence(failed))
        return 1
    return 0


def _announce(options: argparse.Namespace) -> None:
    endpoints, _ = _sides(options)
    tasks = _tasks(options)
    old = result_file.load(options.output) if options.output.exists() else None
    if reason := start.kubelet_reason(tasks, old):
        raise WrongWorkError(f"{reason}; nothing was measured")
    _say(start.announcement(tasks, len(endpoints), options.warm_up, old))
    if busy := start.busy_reason(noise.probe()):
        if options.require_quiet:
            raise BusyError(f"{busy}; nothing was measured")
        _say(f"{busy}; steps that are disturbed like this get no verdict, so end what else runs and start again")


def report(options: argparse.Namespace) -> int:
    """Write the report of one file or of two; return the exit code."""
    try:
        run = result_file.load(options.file)
        other = result_file.load(options.other) if options.other else None
        if options.price_table:
            _write_price(run, options)
            if not options.html and not options.markdown:
                return 0
    except ResultError as error:
        _say(str(error))
        return 1
    beside = options.file
    if options.other:
        beside = options.file.with_name(f"{options.file.stem}-and-{options.other.stem}.json")
    return _write(run, other, options, beside)


def _write_price(run: schema.Run, options: argparse.Namespace) -> None:
    """Write the price of a run into the page named by ``--price-table``; raises :class:`ResultError`."""
    if options.other:
        raise ResultError("--price-table takes one FILE.json: the price of two runs is two tables, with a name each")
    page = options.price_table
    try:
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        page.write_text(price_page.with_price(text, run, options.file.stem), encoding="utf-8")
    except PricePageError as error:
        raise ResultError(f"{options.file} and {page}: {error}") from error
    except OSError as error:
        raise ResultError(f"{page}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ResultError(f"{page}: not UTF-8, so it is not taken for a page") from error
    _say(f"wrote {page}")


def _write(run: schema.Run, other: schema.Run | None, options: argparse.Namespace, beside: Path) -> int:
    """Write the report to the given files, or else beside the result, and print where; return the exit code."""
    html, markdown = options.html, options.markdown
    if not html and not markdown:
        html, markdown = beside.with_suffix(".html"), beside.with_suffix(".md")
    try:
        files.write(run, other, html, markdown)
    except OSError as error:
        _say(f"cannot write the report: {_sentence(error)}")
        return 1
    for path in (html, markdown):
        if path:
            _say(f"wrote {path}")
    return 0


def _tasks(options: argparse.Namespace) -> list[plan.Task]:
    """Return the tasks of this run; raises ValueError for options that do not go together."""
    if options.kubelet and options.runtime_handler:
        raise ValueError("--kubelet and --runtime-handler: static pods have the runtime's default handler")
    wanted = Options(
        scenarios=tuple(name for each in options.scenario for name in each.split(",")),
        rounds=options.rounds,
        warm_up=options.warm_up,
        batch_pods=options.pods,
        calls_at=options.calls_at or CALLS_AT,
        steady_at=options.steady_at or STEADY_AT,
        rhythms=tuple(dict.fromkeys(options.rhythm)),
        window=options.window,
        kubelet=options.kubelet,
        kubelet_at=options.kubelet_at or KUBELET_AT,
        kubelet_window=options.kubelet_window or KUBELET_WINDOW,
        kubelet_before=options.kubelet_before or KUBELET_BEFORE,
        log_mebibytes=options.log_mib,
        stream_mebibytes=options.stream_mib,
        pull_image=options.pull_image,
    )
    return plan.plan(wanted)


async def _compare(options: argparse.Namespace) -> schema.Run:
    tasks = _tasks(options)
    endpoints, behind = _sides(options)
    result_file.try_to_write(options.output)
    async with contextlib.AsyncExitStack() as stack:
        directory = options.directory or Path(tempfile.mkdtemp(prefix="cri-compare-"))
        if not options.directory:
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        nodes = []
        for endpoint in sorted({endpoint for endpoint, *_ in endpoints.values()}):
            stack.enter_context(alone_with(endpoint))
        for name, (endpoint, *_) in endpoints.items():
            client = await stack.enter_async_context(await client_share.open_client(endpoint, options.client))
            parent = cgroup_parents.of_side(options.cgroup_parent, f"{os.getpid()}-{name}")
            place = Place(options.image, directory / name / "logs", parent, runtime_handler=options.runtime_handler)
            node = Node(name, client, place, tuple(behind.get(name, ())))
            # Of what a killed run has left: the plugin of containerd 1.6 has no statistics while one pod is not ready.
            await remove_all(node)
            nodes.append(node)
        run = _begin(options, [await node.inspect() for node in nodes], nodes[0].client.about)
        for node in nodes:
            await stack.enter_async_context(_own_pods(node))
            await node.have_image()
        checked = parity.compare({node.name: await facts.gather(node) for node in nodes})
        if options.require_parity:
            parity.require_same(checked)
        _say_what_differs(checked)
        run = replace(run, parity=checked, sides=tuple(node.side() for node in nodes))
        parent = cgroup_parents.of_side(options.cgroup_parent, f"{os.getpid()}-{FLOOR}")
        programs = FloorPrograms(options.oci_runtime, options.cni_conf_dir, tuple(options.cni_bin_dir))
        tasks, left_out = await with_floor(tasks, nodes, floor_node(parent), directory / FLOOR, programs)
        if left_out and not tasks:
            raise ValueError(f"{left_out}; no other was asked for")
        if left_out:
            run = _with_note(run, left_out)
        for task in tasks:
            result_file.step_of(run, task.step)  # raises for other options, before anything is timed
        progress = Progress(sys.stderr, seconds_of_rounds(tasks, len(nodes), run))
        if not run.null_calls:
            progress.title("null calls by each client")
            run = replace(
                run,
                null_calls=await client_share.measure(nodes, tuple(dict.fromkeys(options.rhythm)) or rhythm.DEFAULT),
            )
        return await Runner(tuple(nodes), run, options.output, progress, options.warm_up).measure(tasks)


def _begin(options: argparse.Namespace, sides: Sequence[schema.Side], client: schema.CallingClient) -> schema.Run:
    """Return a new run, or the one in the file, if its rounds belong to this command."""
    new = schema.Run(
        schema.SCHEMA,
        _command_line(options),
        round(time.time(), 3),
        read_machine(options.oci_runtime),
        tuple(sides),
        tuple(options.note),
    )
    new = replace(new, client=client)
    if not options.output.exists():
        return new
    old = result_file.load(options.output)
    if why := result_file.resume_objection(old, new):
        raise ResultError(f"{options.output}: cannot go on with it: {why}; write to another file")
    return replace(old, sides=new.sides, resumed_at=(*old.resumed_at, new.started_at))


def _with_note(run: schema.Run, note: str) -> schema.Run:
    """Print a note at once, and add it to the report unless it is there already."""
    _say(note)
    return replace(run, notes=tuple(dict.fromkeys((*run.notes, note))))


def _command_line(options: argparse.Namespace) -> str:
    """Return the command line that repeats this run."""
    return options.command_line or shlex.join(["cri-shim", *sys.argv[1:]])


@contextlib.asynccontextmanager
async def _own_pods(node: Node) -> AsyncIterator[None]:
    """Remove the pods that an interrupted run has left before, and those that this one has left after."""
    await remove_all(node)
    done = False
    try:
        yield
        done = True
    finally:
        try:
            await _remove_by_any_client(node)
        except CallError as error:
            if done:
                raise
            # The exception on its way says more than the failure of this cleanup.
            _say(f"pods may be left on {node.name}: {error}")


async def _remove_by_any_client(node: Node) -> None:
    """Remove the pods that are left, through the client in here if the one that made them has ended."""
    try:
        await _remove_again(node)
    except ClientError:
        async with await client_share.open_client(node.client.endpoint) as node.client:
            await _remove_again(node)


async def _remove_again(node: Node) -> None:
    if node.cut_off:
        _say(f"removing the pods that {node.name} may still be starting: {sum(_REMOVE_AGAIN):g} s")
    for pause in _REMOVE_AGAIN:
        await remove_all(node)
        # A pod that was being made is listed, or undone, only later; until then cri-dockerd has no cgroup of it.
        if node.remove_cgroups() and not node.cut_off:
            return
        await asyncio.sleep(pause)
    await remove_all(node)
    node.remove_cgroups()


def _sides(options: argparse.Namespace) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the endpoints, and the daemons behind them, by the names of sides; raises ValueError."""
    endpoints, behind = _named(options.endpoint, "--endpoint"), _named(options.behind, "--behind")
    if FLOOR in endpoints:
        raise ValueError(f"--endpoint {FLOOR}=…: the script of the scenario has this name; choose another")
    if unknown := set(behind) - set(endpoints):
        raise ValueError(f"--behind {min(unknown)}=…: there is no --endpoint of that name")
    return endpoints, behind


def _named(values: Sequence[str], flag: str) -> dict[str, list[str]]:
    """Return ``NAME=unix:///path`` by name; raises ValueError for another form, or an invalid name."""
    named: dict[str, list[str]] = {}
    for value in values:
        name, equals, endpoint = value.partition("=")
        if not equals or not endpoint.startswith("unix:///") or not name.replace("-", "").replace(".", "").isalnum():
            raise ValueError(f"{flag} {value}: not NAME=unix:///PATH")
        named.setdefault(name, []).append(endpoint)
        if flag == "--endpoint" and len(named[name]) > 1:
            raise ValueError(f"--endpoint {name}: named twice")
    return named


def _leaves(error: BaseException) -> list[BaseException]:
    """Return the error itself, or the members of nested groups, each after the error during whose cleanup it arose."""
    leaves = []
    if error.__context__ is not error.__cause__ and error.__context__ is not None:
        leaves += [each for each in _leaves(error.__context__) if isinstance(each, _EXPECTED)]
    if isinstance(error, BaseExceptionGroup):
        return leaves + [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [*leaves, error]


def _sentence(error: BaseException) -> str:
    """Return what went wrong as a sentence, without a traceback."""
    if isinstance(error, DecodeError):
        return "an endpoint's answer cannot be read as a CRI message"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def _say_what_differs(checked: schema.Parity) -> None:
    """Print the names of the facts that differ; the report has their values."""
    if checked.differences:
        kinds = Counter(each.kind for each in checked.differences)
        count = len(checked.differences)
        _say(
            f"the sides do not do all of the same work: {count} {'facts differ' if count > 1 else 'fact differs'} "
            f"({', '.join(f'{kind}: {count}' for kind, count in kinds.items())}); the report has them"
        )
        for side, named in checked.other_work.items():
            _say(f"{side} does other work, so its numbers are shown apart: {', '.join(named)}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
