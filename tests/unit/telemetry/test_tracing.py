"""What the file and the environment make of tracing."""

from __future__ import annotations

import pytest

from cri_shim.config import TracingSection
from cri_shim.telemetry.tracing import Tracing, TracingError, tracing_of

HTTP = "127.0.0.1:1"


def tracing(environment: dict[str, str] | None = None, **keys) -> Tracing:
    """The settings, with a local HTTP listener."""
    return tracing_of(TracingSection(**keys), environment or {}, http_address=HTTP)


def test_nothing_configured_is_nothing_done():
    """Without a collector no request is traced, whatever the ratio says."""
    settings = tracing()
    assert (settings.endpoint, settings.receive) == ("", False)
    assert settings.policy().begin("") is None


@pytest.mark.parametrize(
    ("keys", "environment", "endpoint", "grpc"),
    [
        ({"endpoint": "127.0.0.1:4318"}, {}, "http://127.0.0.1:4318/v1/traces", False),
        ({"endpoint": "https://c:1/"}, {}, "https://c:1/v1/traces", False),
        ({"endpoint": "http://c:1/own/path"}, {}, "http://c:1/own/path", False),
        ({"endpoint": "http://c:4317", "protocol": "grpc"}, {}, "http://c:4317", True),
        ({"endpoint": "http://c"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d"}, "http://c/v1/traces", False),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d/base"}, "http://d/base/v1/traces", False),
        ({}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://d/exact"}, "http://d/exact", False),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http://d", True),
        ({"endpoint": "http://c"}, {"OTEL_SDK_DISABLED": "true"}, "", False),
    ],
)
def test_the_endpoint(keys, environment, endpoint, grpc):
    """The file wins over the environment; paths are added where the specification adds them."""
    settings = tracing(environment, **keys)
    assert (settings.endpoint, settings.grpc, settings.configured) == (endpoint, grpc, "endpoint" in keys)


@pytest.mark.parametrize(
    ("ratio", "environment", "expected"),
    [
        (1.0, {}, 1.0),
        (0.25, {"OTEL_TRACES_SAMPLER": "always_off"}, 0.25),
        (1.0, {"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, 0.0),
        (1.0, {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}, 0.5),
    ],
)
def test_the_ratio(ratio, environment, expected):
    """A ratio in the file wins; at its default the environment's sampler counts."""
    assert tracing(environment, sampling_ratio=ratio).ratio == expected


def test_names_and_headers():
    """Service name, headers and the opt-in of the conventions are those of the environment unless the file has them."""
    environment = {
        "OTEL_SERVICE_NAME": "bridge",
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic YQ==,x=1",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http,rpc",
    }
    settings = tracing(environment)
    assert (settings.service_name, settings.older_names) == ("bridge", False)
    assert settings.headers(environment) == {"authorization": "Basic YQ==", "x": "1"}
    assert tracing(environment, service_name="mine").service_name == "mine"
    assert (tracing().service_name, tracing().older_names) == ("cri-shim", True)


HEADERS = {
    "Authorization=Basic%20YQ==": {"authorization": "Basic YQ=="},
    "X-%41=100%, b = %2C%3D ,c=": {"x-a": "100%", "b": ",=", "c": ""},
    "Authorization=Basic a%20b": {"authorization": "Basic a%20b"},
    "no pair,=,x=1,": {"x": "1"},
}


@pytest.mark.parametrize(("text", "headers"), HEADERS.items())
def test_headers_are_percent_encoded(text, headers):
    """The spans of containerd that are passed on have the same headers as the daemon's own."""
    assert tracing().headers({"OTEL_EXPORTER_OTLP_HEADERS": text}) == headers


@pytest.mark.parametrize(("text", "headers"), HEADERS.items())
def test_headers_are_read_as_opentelemetry_reads_them(text, headers):
    """Its library reads them for the daemon's own spans."""
    library = pytest.importorskip("opentelemetry.util.re", reason="an extra")
    assert dict(library.parse_env_headers(text, liberal=True)) == headers


def test_asking_containerd_traces_everything_and_exports_nothing():
    """Every request gets a trace of its own, which is not for the collector; a caller's sampled one is kept."""
    policy = tracing(containerd_spans="ask").policy()
    asking = policy.begin("")
    assert asking is not None
    assert (asking.sampled, asking.exported) == (True, False)
    unsampled = policy.begin(f"00-{'a' * 32}-{'b' * 16}-00")
    assert unsampled is not None
    assert (unsampled.trace_id == "a" * 32, unsampled.exported) == (False, False)
    followed = policy.begin(f"00-{'a' * 32}-{'b' * 16}-01")
    assert followed is not None
    assert (followed.trace_id, followed.parent_id, followed.exported) == ("a" * 32, "b" * 16, True)


@pytest.mark.parametrize(
    ("keys", "environment", "more", "words"),
    [
        ({"containerd_spans": "ask"}, {}, {"http_address": ""}, "set http.address"),
        ({"containerd_spans": "ask"}, {}, {"http_address": "unix:///run/x"}, "cannot send its spans to a unix"),
        ({"endpoint": "http://c"}, {}, {"http_address": "", "ledger": False}, "ledger.enabled"),
        ({"endpoint": "ftp://c"}, {}, {"http_address": ""}, "is not a URL"),
        ({"endpoint": "http://[::1"}, {}, {"http_address": ""}, "is not a URL"),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:port"}, {"http_address": ""}, "is not a URL"),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c\udcff:1"}, {"http_address": ""}, "is not a URL"),
        *(
            (
                {"endpoint": "http://c"},
                {"OTEL_EXPORTER_OTLP_HEADERS": f"good=1,{header}"},
                {"http_address": ""},
                "which cannot be sent",
            )
            for header in ("bad=\udcff", "bad=1\n2", "bad=1%0a2", "bad=%ff", "b ad=1", "\xe9=1")
        ),
        ({}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, {"http_address": ""}, "http/protobuf or grpc"),
        *(
            (
                {},
                {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio},
                {"http_address": ""},
                "is not a number",
            )
            for ratio in ("x", "nan")
        ),
    ],
)
def test_what_cannot_be_is_refused(keys, environment, more, words):
    """Each refusal says what to change."""
    with pytest.raises(TracingError, match=words):
        tracing_of(TracingSection(**keys), environment, **more)
