"""The table of images: names that come, move and go, and every form in which an image may be asked for."""

from __future__ import annotations

import pytest

from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.reference import parse_reference
from cri_shim.errors import InvalidArgumentError
from cri_shim.images.names import record_names, tags_and_digests
from cri_shim.images.table import Image, ImageTable

A, B = "sha256:" + "ab" * 32, "sha256:" + "ac" * 32
TAG, DIGEST = "docker.io/library/busybox:1", f"docker.io/library/busybox@{'sha256:' + 'd' * 64}"


def image(image_id):
    return Image(image_id, Descriptor("m", image_id, 1), "chain", 10)


def filled():
    table = ImageTable()
    for name in (A, TAG, DIGEST):
        table.put(name, image(A), pinned=False)
    return table


@pytest.mark.parametrize(
    "ref", [A, A[7:], A[7:20], "sha256:" + "ab" * 3, "busybox:1", TAG, DIGEST, f"busybox:9@{DIGEST[-71:]}"]
)
def test_every_form_finds_it(ref):
    """Id, beginning of an id, tag, digest, tag and digest, normal or not."""
    image = filled().resolve(ref)
    assert image is not None
    assert (image.repo_tags, image.repo_digests, image.references) == ((TAG,), (DIGEST,), (A, TAG, DIGEST))


@pytest.mark.parametrize("ref", ["busybox", "busybox:2", B, "sha256:" + "ad" * 3, "Not A Ref", "ffff"])
def test_what_is_not_there(ref):
    """Nothing else is found, and nothing raises."""
    assert filled().resolve(ref) is None


def test_ambiguous_and_empty():
    """A prefix of two ids and an empty text are refused."""
    table = filled()
    table.put(B, image(B), pinned=False)
    with pytest.raises(InvalidArgumentError, match="is ambiguous: it matches 2 images"):
        table.resolve("a")
    with pytest.raises(InvalidArgumentError, match="empty"):
        table.resolve("")
    resolved = table.resolve("ac")
    assert resolved is not None
    assert resolved.id == B


def test_a_name_wins_over_the_beginning_of_an_id():
    """A repository may be called like hex digits."""
    table = filled()
    table.put("docker.io/library/ab:latest", image(B), pinned=False)
    resolved = table.resolve("ab")
    assert resolved is not None
    assert resolved.id == B


def test_a_tag_that_moves_leaves_the_old_image():
    """The old image keeps its other names; the new one gets the tag."""
    table = filled()
    table.put(TAG, image(B), pinned=False)
    old, new = table.resolve(A), table.resolve(B)
    assert old is not None
    assert new is not None
    assert old.repo_tags == ()
    assert new.repo_tags == (TAG,)


def test_an_image_goes_with_its_last_name():
    """Names go one by one; dropping twice is nothing."""
    table = filled()
    for name in (A, TAG, TAG):
        table.drop(name)
        assert len(table) == 1
    table.drop(DIGEST)
    assert len(table) == 0
    assert table.names() == ()


def test_pinned_while_one_name_is():
    """An image is pinned by any of its names, and no longer when that one goes or loses the label."""
    table = filled()
    assert not next(iter(table)).pinned
    table.put(TAG, image(A), pinned=True)
    assert next(iter(table)).pinned
    table.put(TAG, image(A), pinned=False)
    assert not next(iter(table)).pinned


def test_record_names():
    """By tag there are three records, by digest two; the id comes first."""
    digest = "sha256:" + "e" * 64
    assert record_names(parse_reference("q.io/x:1"), A, digest) == (A, "q.io/x:1", f"q.io/x@{digest}")
    assert record_names(parse_reference(f"q.io/x@{digest}"), A, digest) == (A, f"q.io/x@{digest}")


def test_names_that_are_no_references_are_not_shown():
    """What another client called a record may be anything."""
    names = [A, TAG, "import-2026-1", f"busybox:1@{'sha256:' + 'd' * 64}", DIGEST, "Bad Name"]
    assert tags_and_digests(names) == ((TAG,), (DIGEST,))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((A, DIGEST, "docker.io/library/web:2", TAG), TAG),
        ((A, DIGEST), DIGEST),
        ((A,), A),
        (("Not A Name",), A),
    ],
)
def test_the_name_in_records_of_containers(names, expected):
    """A tag rather than a digest rather than the id, whatever came first."""
    table = ImageTable()
    for name in names:
        table.put(name, image(A), pinned=False)
    assert next(iter(table)).name == expected
