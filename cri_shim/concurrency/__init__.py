"""Run several things at once: operations, rollback, overlap, keyed locks and semaphores, background work.

This room may import only the floors below it. It must never know of pods or containerd: callers pass the work to do.
"""
