"""Switch a running daemon to another configuration, in one step that nothing can see half of.

Most settings are read from ``service.config`` by the requests that they concern, so replacing the service is enough
for them. Parts that hold a setting of their own are changed here. There is no ``await`` in this file: whatever takes
time or may fail has been done before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

from cri_shim.cdi.registry import CdiRegistry
from cri_shim.daemon import logging_setup
from cri_shim.daemon.settings import cni_config, pull_settings, starts_at_once

if TYPE_CHECKING:
    from cri_shim.config import Config
    from cri_shim.ledger.trace_policy import TracePolicy
    from cri_shim.qos.blockio import BlockioClasses
    from cri_shim.server.current import Current


class Prepared(Struct, frozen=True):
    """A configuration, with the values that were read or made for it."""

    config: Config
    traces: TracePolicy
    blockio: BlockioClasses


def switch(current: Current, prepared: Prepared) -> None:
    """Let everything work with a configuration from now on; only its live keys may differ from those of before."""
    service = current.service
    before, config = service.config, prepared.config
    if (before.log_level, before.log_format) != (config.log_level, config.log_format):
        logging_setup.configure(config.log_level, config.log_format)
    if before.image != config.image:
        service.puller.use(pull_settings(config))
        service.snapshot_usage.period = config.image.stats_collect_period
    if before.cni != config.cni:
        service.network.use(cni_config(config))
    service.logs.max_line = config.runtime.max_container_log_line_size
    service.streaming.idle_timeout = config.stream.stream_idle_timeout
    service.deprecations.ignored = frozenset(config.containerd.ignore_deprecation_warnings)
    if before.runtime.starts_at_once != config.runtime.starts_at_once:
        for limiter in (service.pod_starts, service.pod_stops, service.container_starts):
            limiter.resize(starts_at_once(config))
    directories = config.runtime.cdi_spec_dirs
    cdi = service.cdi if before.runtime.cdi_spec_dirs == directories else CdiRegistry(directories)
    current.replace(structs.replace(service, config=config, traces=prepared.traces, blockio=prepared.blockio, cdi=cdi))
