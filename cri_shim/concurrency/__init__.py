"""Run several things at once: operations, rollback, overlap, keyed locks and semaphores, background work.

This room imports only the floors below it. It knows nothing of pods or containerd: callers pass the work to do.
"""
