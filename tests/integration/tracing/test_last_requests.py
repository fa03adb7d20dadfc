"""A daemon that is stopped tells of what it has just answered."""

from __future__ import annotations

import asyncio

from lab.lab import Lab
from lab.otlp_collector import OtlpCollector
from tests.integration.tracing.conftest import call, need_containerd

TRACE = "1a57ca11" * 4


async def test_a_request_right_before_the_stop_is_in_its_trace() -> None:
    """Its record waits for others when the signal comes; the collector gets its span all the same."""
    need_containerd()
    with OtlpCollector() as collector:
        async with Lab("bridge", settings={"tracing": {"endpoint": collector.url}}) as lab:
            await call(lab, "Version", f"00-{TRACE}-{'b' * 16}-01")
            assert await asyncio.to_thread(lab.bridge.stop) == 0

            def complete(spans):
                return any(span.name == "runtime.v1.RuntimeService/Version" for span in spans)

            await asyncio.to_thread(collector.until, complete, TRACE)
