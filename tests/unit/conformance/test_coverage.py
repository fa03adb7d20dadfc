"""Every RPC and every field of a configuration has a conformance test, and the page that says which is current."""

from __future__ import annotations

import pytest

from tests.conformance import coverage


@pytest.fixture(scope="module")
def proofs():
    """The marks of all conformance tests."""
    return coverage.proofs()


def test_every_rpc_and_every_field_has_a_test(proofs):
    """What no test proves is listed as open, with a reason; nothing else is without a test."""
    assert [name for name in coverage.unproved(proofs) if name not in coverage.OPEN] == []


def test_what_is_open_has_no_test(proofs):
    """A name that has got a test, or that the protocol does not have, is not open any more."""
    assert set(coverage.OPEN) == set(coverage.unproved(proofs)) & set(coverage.OPEN)


def test_marks_name_what_there_is(proofs):
    """No mark names a field or an RPC that the protocol does not have."""
    assert coverage.unknown(proofs) == []


def test_the_page_is_current(proofs):
    """docs/conformance-fields.md says what the marks say; `python -m tests.conformance.coverage` writes it."""
    assert coverage.PAGE.read_text() == coverage.page(proofs)


def test_the_messages_are_all_there():
    """The four messages and all that lies in them are covered, those for Windows are not; so are all 41 RPCs."""
    messages = coverage.messages()
    assert {*coverage.ROOTS, "Mount", "IDMapping", "HugepageLimit", "CDIDevice", "SELinuxOption"} <= set(messages)
    assert not [name for name in messages if name.startswith("Windows")]
    assert "windows" in messages["ContainerConfig"]
    assert sum(map(len, coverage.rpcs().values())) == 41


def test_a_field_without_a_test_is_found(tmp_path):
    """Marks on tests, on names for marks and on modules count; a missing one is missed."""
    (tmp_path / "test_one.py").write_text(
        "pytestmark = [pytest.mark.slow, pytest.mark.proves('Mount.image')]\n"
        "alias = pytest.mark.proves('Mount.readonly')\n"
        "@pytest.mark.proves('Mount.host_path', 'Mount.nonsense')\nasync def test_a(): ...\n"
        "@alias\ndef test_b(): ...\n"
        "@pytest.mark.proves('Mount.propagation')\ndef helper(): ...\n"
    )
    path = tmp_path / "test_one.py"
    proofs_of_it = coverage.proofs(tmp_path)
    assert proofs_of_it == {
        "Mount.image": [(path, coverage.ALL)],
        "Mount.host_path": [(path, "test_a")],
        "Mount.nonsense": [(path, "test_a")],
        "Mount.readonly": [(path, "test_b")],
    }
    assert coverage.unknown(proofs_of_it) == ["Mount.nonsense"]
    missed = set(coverage.unproved(proofs_of_it))
    assert "Mount.propagation" in missed
    assert not {"Mount.image", "Mount.host_path", "Mount.readonly"} & missed


def test_names_must_be_written_out(tmp_path):
    """A mark with a computed name is refused with its line: it could not be read without running."""
    (tmp_path / "test_one.py").write_text("@pytest.mark.proves(NAME)\ndef test_a(): ...\n")
    with pytest.raises(TypeError, match=r"test_one.py:1: names must be written out"):
        coverage.proofs(tmp_path)
