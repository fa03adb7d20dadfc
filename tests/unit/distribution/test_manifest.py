"""Manifests and indexes: both vendors' forms, choice of platform, and refusal of what is neither."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerd_client.api.containerd.types import types_pb2
from containerd_client.distribution.values import media_types
from containerd_client.distribution.values.chain import chain_id, chain_ids
from containerd_client.distribution.values.errors import ManifestError, NoPlatformError
from containerd_client.distribution.values.manifest import (
    Descriptor,
    Index,
    Manifest,
    candidates,
    gc_labels,
    media_type_of,
    parse_document,
    parse_rootfs,
)
from containerd_client.distribution.values.platforms import Platform, normalised, rank, runnable_platforms
from lab.images import OCI_LAYER_PLAIN, Tree, build_image, build_index

AMD64 = Platform("linux", "amd64")
A, B, C = ("sha256:" + letter * 64 for letter in "abc")


def image(architecture="amd64", variant="", docker=False):
    return build_image(
        Tree().file("x", f"{architecture}{variant}".encode()).layer(OCI_LAYER_PLAIN),
        architecture=architecture,
        variant=variant,
        docker=docker,
    )


@pytest.mark.parametrize("docker", [False, True])
def test_manifest_of_both_vendors(docker):
    """OCI and Docker manifests give the same value, and labels that lead to config and layers."""
    made = image(docker=docker)
    parsed = parse_document(made.manifest, made.media_type, made.digest)
    assert isinstance(parsed, Manifest)
    assert parsed.config.digest == made.id
    assert [layer.digest for layer in parsed.layers] == [layer.digest for layer in made.layers]
    assert gc_labels(parsed) == {
        "containerd.io/gc.ref.content.config": made.id,
        "containerd.io/gc.ref.content.l.0": made.layers[0].digest,
    }


@pytest.mark.parametrize("docker", [False, True])
def test_index_of_both_vendors(docker):
    """An index and a list give the same value, and labels that lead to the manifests."""
    made = build_index(image(), image("arm64"), docker=docker)
    parsed = parse_document(made.manifest, made.media_type, made.digest)
    assert isinstance(parsed, Index)
    assert gc_labels(parsed) == {
        f"containerd.io/gc.ref.content.m.{number}": member.digest for number, member in enumerate(made.images)
    }


def test_media_type_comes_from_the_document_before_the_header():
    """The document's own mediaType wins; without one the header; without both the shape decides."""
    made = image()
    assert media_type_of(made.manifest, "text/plain") == media_types.OCI_MANIFEST
    bare = {key: value for key, value in json.loads(made.manifest).items() if key != "mediaType"}
    assert media_type_of(json.dumps(bare).encode(), media_types.DOCKER_MANIFEST) == media_types.DOCKER_MANIFEST
    assert media_type_of(json.dumps(bare).encode(), "application/json; charset=utf-8") == media_types.OCI_MANIFEST


def test_schema_1_is_refused_in_a_sentence():
    """Docker's schema 1 is named, and what to do about it."""
    old = json.dumps({"schemaVersion": 1, "name": "x", "tag": "y", "fsLayers": []}).encode()
    with pytest.raises(ManifestError, match=r"schema 1.*push the image again"):
        parse_document(old, media_types.DOCKER_SCHEMA1_SIGNED, A)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layers": {}}, "layers is an object, not a list"),
        ({"layers": [{"mediaType": "x", "digest": "sha256:../../etc/passwd", "size": 1}]}, "is not a digest"),
        ({"layers": [{"mediaType": "x", "digest": A, "size": -1}]}, r"layers\[0\].size is not between 0 and"),
        ({"layers": [{"mediaType": "x", "digest": A, "size": "1"}]}, "not a whole number"),
        ({"layers": [{"digest": A, "size": 1}]}, "mediaType"),
        ({"layers": ["x"]}, "not an object"),
        ({"config": None}, "descriptor"),
        ({"manifests": []}, "also lists manifests"),
        ({"mediaType": "application/json", "layers": []}, None),
    ],
)
def test_hostile_manifests(change, said):
    """A field of the wrong shape is refused and named; nothing of it reaches a path or a limit."""
    data = json.dumps(json.loads(image().manifest) | change).encode()
    if said is None:
        assert isinstance(parse_document(data, "", A), Manifest)
        return
    with pytest.raises(ManifestError, match=said):
        parse_document(data, media_types.OCI_MANIFEST, A)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text(), st.lists, max_leaves=5).map(lambda v: json.dumps(v).encode())
)
def test_garbage_is_refused_as_a_manifest_error(data):
    """No bytes at all raise anything but a ManifestError; a configuration may be nothing, as in Go."""
    with pytest.raises(ManifestError):
        parse_document(data, "", A)
    try:
        result = parse_rootfs(data, A)
    except ManifestError:
        return
    assert result.diff_ids == ()


def test_truncated_and_deep_json():
    """A cut document and one nested without end are refused alike."""
    with pytest.raises(ManifestError, match="not JSON"):
        parse_document(image().manifest[:-5], media_types.OCI_MANIFEST, A)
    with pytest.raises(ManifestError, match="not JSON"):
        parse_document(b"[" * 200_000, media_types.OCI_MANIFEST, A)


def choose(host, *platforms):
    index = build_index(*(image(*platform) for platform in platforms))
    parsed = parse_document(index.manifest, index.media_type, index.digest)
    assert isinstance(parsed, Index)
    return [str(member.platform) for member in candidates(parsed, host, index.digest)]


def test_platform_choice():
    """The own architecture first, then its kin; for arm the newest variant that the processor runs."""
    assert choose(AMD64, ("arm64",), ("386",), ("amd64",)) == ["linux/amd64", "linux/386"]
    arm = Platform("linux", "arm", "v7")
    assert choose(arm, ("arm", "v5"), ("arm", "v8"), ("arm", "v6"), ("arm", "v7")) == [
        "linux/arm/v7",
        "linux/arm/v6",
        "linux/arm/v5",
    ]
    assert choose(Platform("linux", "arm64"), ("arm", "v7"), ("arm64", "v8"), ("amd64",)) == [
        "linux/arm64/v8",
        "linux/arm/v7",
    ]


def test_no_platform_says_what_there_is():
    """The refusal lists the platforms on offer."""
    with pytest.raises(NoPlatformError, match=r"no image for linux/amd64; it has linux/arm64, linux/s390x"):
        choose(AMD64, ("s390x",), ("arm64",))


def test_platform_spellings():
    """Equal platforms are equal in their normal form; the worse microarchitecture levels come after the own."""
    assert normalised(Platform("Linux", "aarch64", "8")) == Platform("linux", "arm64")
    assert normalised(Platform("linux", "x86_64", "v1")) == AMD64
    assert normalised(Platform("linux", "arm")) == Platform("linux", "arm", "v7")
    assert rank(Platform("linux", "amd64", "v3"), AMD64) is None
    assert [str(p) for p in runnable_platforms(Platform("linux", "amd64", "v3"))][:3] == [
        "linux/amd64/v3",
        "linux/amd64/v2",
        "linux/amd64",
    ]
    assert rank(Platform("windows", "amd64"), AMD64) is None


def test_chain_ids():
    """The worked example of the OCI image specification: each is the digest of the one below, a space, the diff id."""
    import hashlib

    one = "sha256:" + hashlib.sha256(f"{A} {B}".encode()).hexdigest()
    two = "sha256:" + hashlib.sha256(f"{one} {C}".encode()).hexdigest()
    assert chain_ids([A, B, C]) == (A, one, two)
    assert chain_id([A]) == A
    assert chain_id([]) == ""


def test_rootfs():
    """Diff ids must be digests; the platform may be absent."""
    made = image("arm64", "v8")
    rootfs = parse_rootfs(made.config, made.id)
    assert rootfs.diff_ids == (made.layers[0].diff_id,)
    assert rootfs.platform == Platform("linux", "arm64", "v8")
    assert parse_rootfs(b'{"rootfs": null}', A).diff_ids == ()
    with pytest.raises(ManifestError, match="diff_ids"):
        parse_rootfs(b'{"rootfs": {"diff_ids": ["../x"]}}', A)


def test_a_record_of_another_client():
    """containerd stores whatever size it is given."""
    message = types_pb2.Descriptor(media_type=media_types.OCI_INDEX, digest=A, size=-5)
    assert Descriptor.of(message) == Descriptor(media_types.OCI_INDEX, A, 0)


def test_ingest_names_are_those_of_containerd():
    """Two clients of one containerd meet in the same ingest."""
    assert media_types.ingest_ref(media_types.OCI_INDEX, A) == f"index-{A}"
    assert media_types.ingest_ref(media_types.DOCKER_MANIFEST, A) == f"manifest-{A}"
    assert media_types.ingest_ref(media_types.OCI_CONFIG, A) == f"config-{A}"
    assert media_types.ingest_ref("application/vnd.oci.image.layer.v1.tar+zstd", A) == f"layer-{A}"
    assert not media_types.is_layer("application/vnd.cncf.helm.chart.content.v1.tar+gzip")
