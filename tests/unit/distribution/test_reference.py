"""References: every form that a kubelet or a person may write, and their one normal form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerd_client.distribution.values.errors import InvalidReferenceError
from containerd_client.distribution.values.reference import id_prefix, is_digest, parse_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("team/app", "docker.io/team/app:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x/y:t", "localhost:5000/x/y:t"),
        ("127.0.0.1:5000/x", "127.0.0.1:5000/x:latest"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("MyHost/x", "MyHost/x:latest"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"q.io/a/b:v1@{DIGEST}", f"q.io/a/b@{DIGEST}"),
        ("a.b/c__d/e-f--g.h", "a.b/c__d/e-f--g.h:latest"),
    ],
)
def test_normal_form(text, normal):
    """Docker's defaults are filled in; with tag and digest the digest alone decides."""
    assert str(parse_reference(text)) == normal


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("Busybox", "lower case"),
        ("q.io/UPPER/x", "lower case"),
        ("busybox:", "tag"),
        ("busybox:-x", "tag"),
        ("busybox@sha256:abc", "digest"),
        ("busybox@", "digest"),
        (f"busybox@md5:{'a' * 32}", "digest"),
        ("http://q.io/x", "registry host"),
        ("q.io/../x", "repository"),
        ("q.io/x y", "repository"),
        ("q.io//x", "repository"),
        ("/x", "repository"),
        ("q.io/", "repository"),
        ("a" * 300, "longer"),
        ("0123456789abcdef" * 4, "image id"),
    ],
)
def test_refused(text, said):
    """What is no reference is refused in words that say which part is wrong."""
    with pytest.raises(InvalidReferenceError, match=said):
        parse_reference(text)


@given(st.text(max_size=80))
def test_no_text_crashes_and_normal_forms_are_stable(text):
    """Any text is either refused or has a normal form that is its own normal form."""
    try:
        normal = str(parse_reference(text))
    except InvalidReferenceError:
        return
    assert str(parse_reference(normal)) == normal


def test_parts():
    """Name, object and the digest form are told apart."""
    reference = parse_reference("localhost:5000/a/b:v1")
    assert (reference.domain, reference.path, reference.tag, reference.digest) == ("localhost:5000", "a/b", "v1", "")
    assert reference.name == "localhost:5000/a/b"
    assert reference.object == "v1"
    assert reference.at(DIGEST) == f"localhost:5000/a/b@{DIGEST}"
    assert parse_reference(f"x@{DIGEST}").object == DIGEST


def test_ids():
    """Only lower-case hex of the right length is a digest; only hex may begin an id."""
    assert is_digest(DIGEST)
    assert not is_digest(DIGEST[:-1])
    assert not is_digest(DIGEST.upper())
    assert not is_digest("sha1:" + "a" * 40)
    assert id_prefix("sha256:abc") == "abc"
    assert id_prefix("0123") == "0123"
    assert id_prefix("busybox") == ""
    assert id_prefix("") == ""


@pytest.mark.parametrize(
    "text", ["a" * 3_000_000, "q.io/" + "A" * 1020, "x:" + "\n" * 1000, "[::::]/x", "[::1::]:5/x", "\ud800"]
)
def test_error_texts_are_short(text):
    """Whatever the text: the sentence can be sent."""
    with pytest.raises(InvalidReferenceError) as caught:
        parse_reference(text)
    assert len(str(caught.value).encode()) < 2500
    assert "\n" not in str(caught.value)
