"""The event bus of a real containerd; the bodies are shared."""

from __future__ import annotations

from tests.containerd_behaviour.events import *  # noqa: F403
