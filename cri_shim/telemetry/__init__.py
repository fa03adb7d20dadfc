"""Export what the ledger recorded, as Prometheus metrics and OpenTelemetry spans, and take in containerd's own spans.

This room may import ``ledger`` and the floors below. It only reads the ledger's records, apart from containerd's share
of hops, which it adds to them; without a collector it never loads OpenTelemetry.
"""
