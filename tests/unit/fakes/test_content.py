"""Blobs of the fake; the bodies are shared."""

from __future__ import annotations

from tests.containerd_behaviour.content import *  # noqa: F403
