"""Prometheus and OpenTelemetry: what the ledger recorded, for machines."""
