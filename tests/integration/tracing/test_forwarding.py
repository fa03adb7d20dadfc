"""containerd tells the bridge, and the bridge tells the collector what is for it."""

from __future__ import annotations

import asyncio
from typing import Any

from cri_shim.ledger.bill_text import KEY, parse_bill
from cri_shim.ledger.trace_context import is_asking
from lab.lab import Lab
from lab.otlp_collector import SERVER, OtlpCollector
from lab.pod_configs import pod_config
from lab.registry import free_port
from tests.integration.tracing.conftest import call, get, need_containerd, need_spans

TRACE = "0ff1ce00" * 4


async def test_the_collector_gets_the_traced_and_not_the_asked() -> None:
    """containerd's spans of a sampled trace are handed on; those of a request without one only settle its bill."""
    need_containerd()
    address = f"127.0.0.1:{free_port()}"
    with OtlpCollector() as collector:
        tracing = {"endpoint": collector.url, "sampling_ratio": 0.0, "containerd_spans": "ask"}
        settings: dict[str, Any] = {"http": {"address": address}, "tracing": tracing}
        async with Lab("bridge", settings=settings, spans_to=f"http://{address}") as lab:
            need_spans(lab)
            for traceparent in ("", f"00-{TRACE}-{'b' * 16}-01"):
                config = pod_config(cgroup_parent=lab.cgroup_parent)
                _, trailer = await call(lab, "RunPodSandbox", traceparent, config=config)
                path = f"/api/requests/{int(parse_bill(trailer[KEY])['id'])}"
                async with asyncio.timeout(40):
                    while (record := await asyncio.to_thread(get, lab, path))["bill"]["split"] != "spans":
                        await asyncio.sleep(0.1)
                assert {hop["split"] for hop in record["hops"]} == {"spans"}
                assert record["trace_id"] == (TRACE if traceparent else "")

            def handed_on(spans):
                return any(span.service == "containerd" and span.kind == SERVER for span in spans)

            await asyncio.to_thread(collector.until, handed_on, TRACE)
            assert [span for span in collector.spans() if is_asking(span.trace_id)] == []
