"""Who served an image is in the trace of its pull."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from lab.images import busybox_image, push
from lab.lab import Lab
from lab.otlp_collector import OtlpCollector
from lab.registry import free_port
from tests.integration.tracing.conftest import call, need_containerd

TRACE = "facade00" * 4


async def test_the_host_that_served_each_blob_is_in_the_trace() -> None:
    """Of two mirrors the first is dead: manifest, configuration and layers name the second, with digests."""
    need_containerd()
    with OtlpCollector() as collector:
        async with Lab("bridge", settings={"tracing": {"endpoint": collector.url}}) as lab:
            push(lab.images.address, "mirrored:1", busybox_image(files={"/who": b"served this"}))
            hosts = lab.bridge.registry_hosts_dir / "registry.example"
            hosts.mkdir()
            (hosts / "hosts.toml").write_text(
                f'server = "http://127.0.0.1:1"\n[host."http://127.0.0.1:{free_port()}"]\n'
                f'[host."http://{lab.images.address}"]\n'
            )
            image = {"image": "registry.example/mirrored:1"}
            await call(lab, "PullImage", f"00-{TRACE}-{'b' * 16}-01", image=image)
            spans = await asyncio.to_thread(
                collector.until, lambda collected: any(span.name.endswith("/PullImage") for span in collected), TRACE
            )
    server = urlsplit(f"//{lab.images.address}")
    phases = ("pull.resolve", "pull.document", "pkg.unpack.unpacker.fetchLayer")
    served = [span for span in spans if span.name in phases]
    assert {span.name for span in served} == set(phases)
    fetched = [span for span in served if span.attributes.get("server.address")]
    assert {span.name for span in fetched} == set(phases)
    for span in fetched:
        assert (span.attributes["server.address"], span.attributes["server.port"]) == (
            server.hostname,
            str(server.port),
        )
        assert span.attributes["descriptor.digest"].startswith("sha256:")
    (pull,) = [span for span in spans if span.name == "pull.fetch"]
    assert pull.attributes["image.ref"] == "registry.example/mirrored:1"
    names = {span.name for span in spans}
    assert {"pkg.unpack.unpacker.unpackLayer", "pull.createNewImage"} <= names
