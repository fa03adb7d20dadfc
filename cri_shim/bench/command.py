"""``cri-shim compare``: look at the sides, check that they do the same work, measure, report."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from cri_shim.bench import cgroup_parents, facts, parity, plan, result_file, schema
from cri_shim.bench.client import Client
from cri_shim.bench.grpc_caller import GrpcCaller
from cri_shim.bench.machine import read_machine
from cri_shim.bench.node import Node, NotReadyError
from cri_shim.bench.parity import NotTheSameError
from cri_shim.bench.pod import remove_all
from cri_shim.bench.pod_configs import Place
from cri_shim.bench.processes import UnknownProcessError
from cri_shim.bench.progress import Progress
from cri_shim.bench.report import files, price_page
from cri_shim.bench.report.price_page import PricePageError
from cri_shim.bench.result_file import ResultError
from cri_shim.bench.runner import Runner, expected_seconds
from cri_shim.bench.scenarios import WrongWorkError

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Sequence

_EXPECTED = (ResultError, NotReadyError, NotTheSameError, UnknownProcessError, WrongWorkError, ValueError)
_INTERRUPTED = 130
_REMOVE_AGAIN = (0.5, 1.0, 2.0, 5.0)


def compare(options: argparse.Namespace) -> int:
    """Measure and report; the exit code: 0 done, 1 failed (standard error says why), 130 interrupted."""
    try:
        run = asyncio.run(_compare(options))
    except KeyboardInterrupt:
        _say(f"interrupted; the same command goes on with {options.output}")
        return _INTERRUPTED
    except (*_EXPECTED, grpc.aio.AioRpcError, ExceptionGroup) as failed:
        causes = _leaves(failed)
        for cause in causes:
            if not isinstance(cause, (*_EXPECTED, grpc.aio.AioRpcError)):
                raise
        for told in dict.fromkeys(map(_told, causes)):
            _say(told)
        return 1
    _write(run, None, options, options.output)
    sys.stdout.write(files.short(run))
    return 0


def report(options: argparse.Namespace) -> int:
    """Write the report of one file or of two; the exit code."""
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
    _write(run, other, options, beside)
    return 0


def _write_price(run: schema.Run, options: argparse.Namespace) -> None:
    """Write the price of a run into the page that was named; raises :class:`ResultError`."""
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


def _write(run: schema.Run, other: schema.Run | None, options: argparse.Namespace, beside: Path) -> None:
    """Write the report to where it was asked for, or else beside the result, and say where it is."""
    html, markdown = options.html, options.markdown
    if not html and not markdown:
        html, markdown = beside.with_suffix(".html"), beside.with_suffix(".md")
    files.write(run, other, html, markdown)
    for path in (html, markdown):
        if path:
            _say(f"wrote {path}")


async def _compare(options: argparse.Namespace) -> schema.Run:
    wishes = plan.Wishes(
        scenarios=tuple(name for each in options.scenario for name in each.split(",")) or plan.Wishes().scenarios,
        rounds=options.rounds,
        warm_up=options.warm_up,
        batch_pods=options.pods,
        calls_at=options.calls_at or plan.CALLS_AT,
        steady_at=options.steady_at or plan.STEADY_AT,
        rhythms=tuple(dict.fromkeys(options.rhythm)),
        window=options.window,
        log_mebibytes=options.log_mib,
        stream_mebibytes=options.stream_mib,
        pull_image=options.pull_image,
    )
    tasks = plan.plan(wishes)
    endpoints = _named(options.endpoint, "--endpoint")
    behind = _named(options.behind, "--behind")
    if unknown := set(behind) - set(endpoints):
        raise ValueError(f"--behind {min(unknown)}=…: there is no --endpoint of that name")
    async with contextlib.AsyncExitStack() as stack:
        directory = options.directory or Path(tempfile.mkdtemp(prefix="cri-compare-"))
        if not options.directory:
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        nodes = []
        for name, (endpoint, *_) in endpoints.items():
            client = await stack.enter_async_context(Client(endpoint, GrpcCaller(endpoint)))
            parent = cgroup_parents.of_side(options.cgroup_parent, f"{os.getpid()}-{name}")
            place = Place(options.image, directory / name / "logs", parent, runtime_handler=options.runtime_handler)
            nodes.append(Node(name, client, place, tuple(behind.get(name, ()))))
        run = _begin(options, [await node.look() for node in nodes])
        for node in nodes:
            await stack.enter_async_context(_own_pods(node))
            await node.have_image()
        run = replace(run, parity=parity.compare({node.name: await facts.gather(node) for node in nodes}))
        for task in tasks:
            result_file.step_of(run, task.step)  # raises for other options, before anything is timed
        progress = Progress(sys.stderr, expected_seconds(tasks, len(nodes)))
        return await Runner(tuple(nodes), run, options.output, progress, wishes.warm_up).measure(tasks)


def _begin(options: argparse.Namespace, sides: Sequence[schema.Side]) -> schema.Run:
    """A new run, or the one that the file has, if rounds of now belong to it."""
    new = schema.Run(
        schema.SCHEMA, _command_line(options), round(time.time(), 3), read_machine(), tuple(sides), tuple(options.note)
    )
    if not options.output.exists():
        return new
    old = result_file.load(options.output)
    if why := result_file.why_not_resumable(old, new):
        raise ResultError(f"{options.output}: cannot go on with it: {why}; write to another file")
    return replace(old, sides=new.sides, resumed_at=(*old.resumed_at, new.started_at))


def _command_line(options: argparse.Namespace) -> str:
    """How to do it again."""
    return options.command_line or shlex.join(["cri-shim", *sys.argv[1:]])


@contextlib.asynccontextmanager
async def _own_pods(node: Node) -> AsyncIterator[None]:
    """Whatever an interrupted run has left is removed before and after."""
    await remove_all(node)
    try:
        yield
    finally:
        for pause in _REMOVE_AGAIN:
            await remove_all(node)
            if node.remove_cgroups():
                break
            await asyncio.sleep(pause)  # a pod that was being made is listed, or undone, only now


def _named(values: Sequence[str], flag: str) -> dict[str, list[str]]:
    """``NAME=unix:///path`` by name; raises ValueError for another form, or a name that is no file name."""
    found: dict[str, list[str]] = {}
    for value in values:
        name, equals, endpoint = value.partition("=")
        if not equals or not endpoint.startswith("unix:///") or not name.replace("-", "").replace(".", "").isalnum():
            raise ValueError(f"{flag} {value}: not NAME=unix:///PATH")
        found.setdefault(name, []).append(endpoint)
        if flag == "--endpoint" and len(found[name]) > 1:
            raise ValueError(f"--endpoint {name}: named twice")
    return found


def _leaves(error: BaseException) -> list[BaseException]:
    """The error itself, or those of a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


def _told(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
