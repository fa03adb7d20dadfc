"""What containerd's Transfer service says when a registry or a verifier is the cause, word for word."""

from __future__ import annotations

import pytest

from containerd_client.distribution.transfer_errors import cause_of
from containerd_client.distribution.values.errors import (
    CorruptBlobError,
    RefusedByPolicyError,
    RegistryUnavailableError,
    UnauthorizedError,
)
from containerd_client.errors import Internal, Unimplemented, Unknown

REQUEST = "failed to resolve image: unexpected status from HEAD request to http://r:5000/v2/a/manifests/1:"
TOKEN = "failed to resolve image: failed to authorize: failed to fetch anonymous token: unexpected status from GET"


@pytest.mark.parametrize(
    ("detail", "kind"),
    [
        (f"{REQUEST} 401 Unauthorized", UnauthorizedError),
        (f"{REQUEST} 403 Forbidden", UnauthorizedError),
        (f"{REQUEST} 429 Too Many Requests", RegistryUnavailableError),
        (f"{REQUEST} 503 Service Unavailable", RegistryUnavailableError),
        (f"{REQUEST} 400 Bad Request", RegistryUnavailableError),
        (f"{REQUEST} 416 Requested Range Not Satisfiable", CorruptBlobError),
        (f"{TOKEN} request to http://r:5000/token-401 403 Forbidden", UnauthorizedError),
        (f"{TOKEN} request to http://r:5000/token?a=b: 500 Internal Server Error", RegistryUnavailableError),
        (
            "failed to resolve image: unexpected status code http://r/v2/a/manifests/1: 502 Bad Gateway",
            RegistryUnavailableError,
        ),
        (
            "failed to copy: pull access denied, repository does not exist or may require authorization",
            UnauthorizedError,
        ),
        (
            'failed to do request: Head "http://r:1/v2/x": dial tcp 127.0.0.1:1: connect: connection refused',
            RegistryUnavailableError,
        ),
        (
            'failed to resolve image: failed to authorize: failed to fetch oauth token: Post "http://t:1/token": EOF',
            RegistryUnavailableError,
        ),
        ("image verifier bindir blocked pull of r/a:1 with digest sha256:0 for reason: no", RefusedByPolicyError),
        (
            "blocking pull of r/a:1 with digest sha256:0: image verifier bindir returned error: EOF",
            RefusedByPolicyError,
        ),
    ],
)
def test_words_about_a_registry(detail, kind):
    """The kinds are those of a pull by the daemon itself."""
    error = cause_of(Unknown("Transfer/Transfer", detail))
    assert type(error) is kind
    assert str(error) == detail


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("unknown service containerd.services.transfer.v1.Transfer", "has no Transfer service"),
        ("method Transfer not implemented for a.OCIRegistry to a.ImageStore", "cannot use what the registry sends"),
    ],
)
def test_what_is_not_implemented(detail, said):
    """An older containerd is distinguished from a manifest whose media type the service does not know."""
    error = cause_of(Unimplemented("Transfer/Transfer", detail))
    assert said in str(error)
    assert 'set image.pull to "client"' in str(error)


@pytest.mark.parametrize(
    "error",
    [
        Unknown("Transfer/Transfer", "failed to extract layer: write /data/x: no space left on device"),
        Unknown("Transfer/Transfer", "unexpected status from HEAD request to http://r/403"),
        Internal("Transfer/Transfer", f"{REQUEST} 403 Forbidden"),
    ],
)
def test_words_about_something_else(error):
    """What is not the registry's keeps its own code."""
    assert cause_of(error) is None
