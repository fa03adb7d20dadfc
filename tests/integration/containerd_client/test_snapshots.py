"""Snapshots and diffs of a real containerd; the bodies are shared."""

from __future__ import annotations

from tests.containerd_behaviour.snapshots import *  # noqa: F403
