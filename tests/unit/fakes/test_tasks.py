"""Tasks and their processes of the fake; the bodies are shared."""

from __future__ import annotations

from tests.containerd_behaviour.tasks import *  # noqa: F403
