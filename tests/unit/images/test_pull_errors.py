"""What each failure of a pull is told to the kubelet as."""

from __future__ import annotations

import pytest

from containerd_client.distribution import errors
from cri_shim.errors import CriError
from cri_shim.images.pull_errors import as_cri_errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.InvalidReferenceError, "INVALID_ARGUMENT"),
        (errors.NotInRegistryError, "NOT_FOUND"),
        (errors.NoPlatformError, "NOT_FOUND"),
        (errors.StalledError, "DEADLINE_EXCEEDED"),
        (errors.UnauthorizedError, "FAILED_PRECONDITION"),
        (errors.HostsConfigError, "FAILED_PRECONDITION"),
        (errors.IncompleteImageError, "FAILED_PRECONDITION"),
        (errors.ManifestError, "INTERNAL"),
        (errors.CorruptBlobError, "INTERNAL"),
        (errors.RegistryUnavailableError, "UNKNOWN"),
    ],
)
def test_codes(kind, code):
    """Each kind has one code, and its text is kept."""
    with pytest.raises(CriError, match="because of this") as caught, as_cri_errors("pull image 'x'"):
        raise kind("because of this")
    assert caught.value.code.name == code
    assert str(caught.value).startswith("RegistryUnavailable: ") is (code == "UNKNOWN")


def test_every_error_of_the_package_has_been_thought_of():
    """A new kind of error must be added to the table above."""
    kinds = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert len(kinds) == 12
