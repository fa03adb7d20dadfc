"""Answers of token servers."""

from __future__ import annotations

import pytest

from containerd_client.distribution.registries.login import read_token
from tests.hostile.inputs import check_refusal, every
from untrusted import DocumentError


@every("token-answer")
def test_token_answer(given):
    """It is read as Go would read it, with bounds."""
    if not given.accepted:
        with pytest.raises(DocumentError) as caught:
            read_token(given.data)
        check_refusal(given, caught.value)
        return
    token, life = read_token(given.data)
    assert {"token": token, "life": life} == given.expectation
    token.encode()
