"""Labels of blobs: what is added to those that are there, and what is replaced."""

from __future__ import annotations

from containerd_client.distribution.fetch import missing_labels
from containerd_client.distribution.pull import snapshot_label, source_labels
from containerd_client.distribution.values.reference import parse_reference

SOURCE = "containerd.io/distribution.source.q.io"


def test_sources_add_up():
    """A blob that several repositories share names them all, sorted and once each."""
    assert missing_labels({}, {SOURCE: "b"}) == {SOURCE: "b"}
    assert missing_labels({SOURCE: "b"}, {SOURCE: "a"}) == {SOURCE: "a,b"}
    assert missing_labels({SOURCE: "a,b"}, {SOURCE: "b"}) == {}


def test_others_are_replaced_only_where_they_differ():
    """What is there already is not written again."""
    assert missing_labels({"x": "1", "y": "2", "z": "3"}, {"x": "1", "y": "9"}) == {"y": "9"}


def test_names():
    """The host without its port, the repository without its host, the snapshotter at the end."""
    assert source_labels(parse_reference("q.io:5000/a/b:1")) == {SOURCE: "a/b"}
    assert source_labels(parse_reference("[::1]:5000/x")) == {"containerd.io/distribution.source.::1": "x"}
    assert snapshot_label("native") == "containerd.io/gc.ref.snapshot.native"


def test_a_full_list_of_sources_stays_as_it_is():
    """containerd refuses more than 4096 bytes of name and value; the common layers of a node reach that."""
    full = ",".join(f"{number:03}{'x' * 120}" for number in range(32))
    assert len(SOURCE) + len(full) <= 4096
    assert missing_labels({SOURCE: full}, {SOURCE: "y" * 120, "x": "1"}) == {"x": "1"}
    assert missing_labels({SOURCE: full}, {SOURCE: "y"}) == {SOURCE: f"{full},y"}
