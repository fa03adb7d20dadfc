"""What this daemon knows of pods and containers: in memory, held true by events, rebuilt from containerd at any time.

Stores are synchronous and hand out immutable values; a change is ``store.update(id, fn)`` with a function from the old
value to the new one. State is derived from timestamps, not stored beside them.
"""
