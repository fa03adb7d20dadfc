"""Blobs of a real containerd; the bodies are shared."""

from __future__ import annotations

from tests.containerd_behaviour.content import *  # noqa: F403
