"""Serve the ledger over local HTTP: JSON, live events, the metrics page and the explorer page.

This room may import ``ledger``, ``telemetry`` and the floors below. It only reads: a request over HTTP never
changes a pod.
"""
