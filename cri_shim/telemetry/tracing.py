"""The settings of tracing, from the configuration and from OpenTelemetry's environment variables, in one value.

A key in the file wins; where it has its default, the variable of the OpenTelemetry specification counts
(opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables). Nothing of OpenTelemetry is imported here.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from cri_shim.ledger.trace_policy import TracePolicy
from untrusted import encodable, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.config import TracingSection

PATH = "/v1/traces"
SERVICE_NAME = "cri-shim"
_HEADER_NAME = re.compile(r"[a-z0-9_.-]+")
_ENCODED = re.compile(r"[!#-+\--:<-\[\]-~]*")
"""What a value of W3C baggage may consist of, whose form the headers have."""


class TracingError(OSError):
    """Tracing is configured and cannot work; the text says what is missing, and the daemon does not start."""


class Tracing(Struct, frozen=True):
    """How to trace; ``endpoint`` is empty if there is no collector."""

    endpoint: str = ""
    """A whole URL, for http/protobuf with its path."""
    configured: bool = False
    """Whether the file names the collector; else the environment does."""
    grpc: bool = False
    ratio: float = 0.0
    service_name: str = SERVICE_NAME
    older_names: bool = True
    receive: bool = False
    """Whether containerd's own spans are taken in."""
    ask: bool = False
    """Whether every request gets a trace, so that containerd reports its share."""

    def policy(self) -> TracePolicy:
        """Return which requests are traced."""
        return TracePolicy(self.ratio if self.endpoint else 0.0, ask_containerd=self.ask)

    def headers(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of every export (``OTEL_EXPORTER_OTLP_HEADERS``, usually a login).

        As in OpenTelemetry's own reader, names and values are percent-encoded, except for a value with a space.
        """
        pairs = (pair.partition("=") for pair in _of(environment, "HEADERS").split(","))
        return {_decoded(name).lower(): _decoded(value) for name, equals, value in pairs if name.strip() and equals}


def tracing_of(
    section: TracingSection, environment: Mapping[str, str], *, http_address: str, ledger: bool = True
) -> Tracing:
    """Combine the file with the environment.

    ``http_address`` is that of the local HTTP listener, empty for none; without a ``ledger`` there is nothing to
    export. Raises :class:`TracingError` for settings that contradict each other.
    """
    receive = section.containerd_spans != "off"
    if receive and not http_address:
        raise TracingError(
            f'tracing.containerd_spans is "{section.containerd_spans}", but containerd has nowhere to send its spans; '
            "set http.address"
        )
    if receive and http_address.startswith("unix://"):
        raise TracingError(
            f'tracing.containerd_spans is "{section.containerd_spans}", but containerd cannot send its spans to a unix '
            "socket; set http.address to an IP address and a port"
        )
    if not ledger and (receive or section.endpoint):
        raise TracingError("tracing is made of the ledger's records, but ledger.enabled is false; set it to true")
    disabled = not ledger or environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    protocol = section.protocol or _of(environment, "PROTOCOL") or "http/protobuf"
    if protocol not in {"http/protobuf", "grpc"}:
        raise TracingError(f'OTEL_EXPORTER_OTLP_PROTOCOL is "{protocol}"; use http/protobuf or grpc')
    grpc = protocol == "grpc"
    tracing = Tracing(
        endpoint="" if disabled else _endpoint(section.endpoint, environment, "grpc" if grpc else "http"),
        configured=bool(section.endpoint),
        grpc=grpc,
        ratio=section.sampling_ratio if section.sampling_ratio < 1 else _ratio(environment),
        service_name=encodable(section.service_name or environment.get("OTEL_SERVICE_NAME", "") or SERVICE_NAME),
        older_names="rpc" not in environment.get("OTEL_SEMCONV_STABILITY_OPT_IN", "").split(","),
        receive=receive,
        ask=section.containerd_spans == "ask",
    )
    if tracing.endpoint:
        _require_sendable(tracing.headers(environment))
    return tracing


def _require_sendable(headers: Mapping[str, str]) -> None:
    """Refuse headers that neither HTTP nor gRPC can carry, for which every export would fail."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise TracingError(
                f"OTEL_EXPORTER_OTLP_HEADERS has the header '{escaped(name)}', which cannot be sent: use a name of "
                "letters, digits and dashes and a value of printable ASCII"
            )


def _endpoint(configured: str, environment: Mapping[str, str], kind: Literal["http", "grpc"]) -> str:
    exact = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    url = configured or exact or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if not url:
        return ""
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:  # brackets that do not close, or a port that is none
        usable = False
    if not usable or not (url.isascii() and url.isprintable()):
        raise TracingError(
            f"the collector's endpoint '{escaped(url)}' is not a URL; write it like http://127.0.0.1:4318"
        )
    if kind == "grpc":
        return f"{parts.scheme}://{parts.netloc}"
    if (configured or exact) and parts.path.strip("/"):
        return url
    return url.rstrip("/") + PATH


def _ratio(environment: Mapping[str, str]) -> float:
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").removeprefix("parentbased_")
    if sampler == "always_off":
        return 0.0
    if sampler == "traceidratio":
        with suppress(ValueError):
            ratio = float(environment.get("OTEL_TRACES_SAMPLER_ARG", "1"))
            if not math.isnan(ratio):
                return min(1.0, max(0.0, ratio))
        raise TracingError("OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1")
    return 1.0


def _decoded(text: str) -> str:
    text = text.strip()
    return unquote(text).strip() if _ENCODED.fullmatch(text) else text


def _of(environment: Mapping[str, str], name: str) -> str:
    return environment.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}", "") or environment.get(f"OTEL_EXPORTER_OTLP_{name}", "")
