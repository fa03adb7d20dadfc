"""Namespaces, containers, images, leases and introspection of a real containerd; the bodies are shared."""

from __future__ import annotations

from tests.containerd_behaviour.records import *  # noqa: F403
