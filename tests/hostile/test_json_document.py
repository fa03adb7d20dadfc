"""Documents as Go reads them: which are taken, what is read out of them, and how the others are refused."""

from __future__ import annotations

import pytest

from tests.hostile.inputs import Input, check_refusal, every
from untrusted import DocumentError, parse_object

FIELDS = {"text": ("User",), "texts": ("Env",), "text_map": ("Labels",), "integer": ("size",)}


@every("json-document")
def test_document(given: Input) -> None:
    if given.accepted:
        document = parse_object(given.data)
        for method, fields in given.expectation.items():
            for field, value in fields.items():
                parsed = getattr(document, method)(field)
                assert (list(parsed) if isinstance(parsed, tuple) else parsed) == value
        return
    with pytest.raises(DocumentError) as refused:
        document = parse_object(given.data)
        for method, names in FIELDS.items():
            for name in names:
                getattr(document, method)(name)
    check_refusal(given, refused.value)
