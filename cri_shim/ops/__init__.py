"""How work outlives, overlaps and undoes itself: the only place that handles cancellation.

The rules, which every RPC file relies on:

1. A request may be cancelled at any await (the kubelet hangs up, its deadline passes). Whoever changes something does
   it inside an *operation* (:mod:`.operations`), a task of its own that the request only waits for.
2. An operation is cancelled in one case only: the daemon ends and the grace period is over.
3. Whatever an operation acquires, it pushes the undo of, by name, onto a :mod:`.rollback` stack.
4. Undo runs on a budget of its own, never on the request's.
"""
