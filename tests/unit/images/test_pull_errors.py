"""What each failure of a pull is told to the kubelet as."""

from __future__ import annotations

import pytest

from containerd_client.distribution import errors
from cri_shim.errors import CriError
from cri_shim.images.pull_errors import as_cri_errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.NotInRegistryError, "NOT_FOUND"),
        (errors.NoPlatformError, "NOT_FOUND"),
        (errors.StalledError, "DEADLINE_EXCEEDED"),
        (errors.UnauthorizedError, "FAILED_PRECONDITION"),
        (errors.HostsConfigError, "FAILED_PRECONDITION"),
        (errors.IncompleteImageError, "FAILED_PRECONDITION"),
        (errors.ManifestError, "FAILED_PRECONDITION"),
        (errors.NotAnImageError, "FAILED_PRECONDITION"),
        (errors.CorruptBlobError, "FAILED_PRECONDITION"),
        (errors.OtherLengthError, "FAILED_PRECONDITION"),
        (errors.DistributionError, "FAILED_PRECONDITION"),
        (errors.ProxyConfigError, "FAILED_PRECONDITION"),
    ],
)
def test_codes(kind, code):
    """Each kind has one code, and its text is kept."""
    with pytest.raises(CriError, match="because of this") as caught, as_cri_errors("pull image 'x'"):
        raise kind("because of this")
    assert caught.value.code.name == code
    assert str(caught.value) == "pull image 'x': because of this"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (errors.RegistryUnavailableError, "RegistryUnavailable"),
        (errors.TransferError, "RegistryUnavailable"),
        (errors.RefusedByPolicyError, "SignatureValidationFailed"),
    ],
)
def test_words_that_the_kubelet_knows(kind, word):
    """They begin the text, and the code is the one that the kubelet's client strips."""
    with pytest.raises(CriError) as caught, as_cri_errors("pull image 'x'"):
        raise kind("because of this")
    assert caught.value.code.name == "UNKNOWN"
    assert str(caught.value) == f"{word}: pull image 'x': because of this"


def test_every_error_of_the_package_has_been_thought_of():
    """A new kind of error must be added to a table above."""
    kinds = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert len(kinds) == 16


def test_what_is_no_reference_is_an_invalid_argument():
    """The text names the reference by itself."""
    with pytest.raises(CriError, match=r"^because of this$") as caught, as_cri_errors("pull image 'x'"):
        raise errors.InvalidReferenceError("because of this")
    assert caught.value.code.name == "INVALID_ARGUMENT"
