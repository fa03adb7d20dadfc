"""Namespaces, containers, images, leases and introspection of the fake; the bodies are shared."""

from __future__ import annotations

from tests.containerd_behaviour.records import *  # noqa: F403
