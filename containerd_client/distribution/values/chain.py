"""Compute chain ids, the names of the committed snapshots of an image's layers.

OCI image spec, ``config.md``: the chain id of the first layer is its diff id; that of each further layer is the digest
of the text "CHAIN-BELOW DIFF-ID". The snapshot of an unpacked layer is named by its chain id, so all clients of a
containerd must agree on it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def chain_ids(diff_ids: Iterable[str]) -> tuple[str, ...]:
    """Return one chain id for each diff id, starting with the lowest layer."""
    chains: list[str] = []
    for diff_id in diff_ids:
        if chains:
            chains.append("sha256:" + hashlib.sha256(f"{chains[-1]} {diff_id}".encode()).hexdigest())
        else:
            chains.append(diff_id)
    return tuple(chains)


def chain_id(diff_ids: Iterable[str]) -> str:
    """Return the chain id of the topmost layer; empty for an image without layers."""
    chains = chain_ids(diff_ids)
    return chains[-1] if chains else ""
