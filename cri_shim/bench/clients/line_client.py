"""Run the Python client as a program of its own, driven by lines.

``python -m cri_shim.bench.clients.line_client ENDPOINT`` starts it. It makes the same calls as the in-process client.
The difference between the two shows what driving a client by lines costs, and this one is an example for clients in
other languages (docs/client-protocol.md).
"""

from __future__ import annotations

import asyncio
import platform
import sys
import time

import grpc

from cri_shim.bench.clients.caller import bill_of
from cri_shim.bench.clients.grpc_caller import GrpcCaller
from cri_shim.bench.clients.line_process import LONGEST_LINE
from cri_shim.bench.clients.line_protocol import Answered, Call, Failed, Hello, ProtocolError, parse_call
from cri_shim.ledger.bill_text import KEY
from untrusted.text import decode_utf8

_USAGE = "usage: python -m cri_shim.bench.clients.line_client unix:///PATH\n"


def main(arguments: list[str]) -> int:
    """Serve standard input until it ends; return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write(_USAGE)
        return 2
    asyncio.run(_serve(arguments[0]))
    return 0


async def _serve(endpoint: str) -> None:
    caller = GrpcCaller(endpoint)
    running: set[asyncio.Task[None]] = set()
    _write(Hello("python", f"{platform.python_version()} grpcio {grpc.__version__}").line())
    try:
        reader = asyncio.StreamReader(limit=LONGEST_LINE)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            task = asyncio.create_task(_answer(caller, decode_utf8(line.rstrip(b"\r\n"))))
            running.add(task)
            task.add_done_callback(running.discard)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await caller.close()


async def _answer(caller: GrpcCaller, line: str) -> None:
    """Make one call and write its outcome."""
    try:
        call = parse_call(line)
    except ProtocolError as error:
        _write(Failed(None, str(error)).line())
        return
    _write((await _made(caller, call)).line())


async def _made(caller: GrpcCaller, call: Call) -> Answered:
    started = time.perf_counter_ns()
    try:
        answer = await caller.call(call.path, call.request, call.milliseconds / 1000, call.metadata)
    except grpc.aio.AioRpcError as error:
        taken = time.perf_counter_ns() - started
        bill = bill_of(error.trailing_metadata() or ())
        return Answered(call.id, taken, error.code().value[0], error.details() or "", _selected(bill), b"")
    return Answered(call.id, round(answer.ms * 1e6), 0, "", _selected(answer.bill), answer.content)


def _selected(bill: str) -> tuple[tuple[str, str], ...]:
    """Return the trailing metadata that the comparison reads."""
    return ((KEY, bill),) if bill else ()


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
