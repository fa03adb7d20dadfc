"""Record one pod start of each architecture, for the explorer's page *Architecture*: ``python -m lab.pod_starts``.

What a process asks of another is observed from outside, without a change to any of them: calls by a tap between two
sockets, programs by the kernel's own reports, and our daemon and containerd 2 by what they say of themselves. What
cannot be observed is listed in the record instead of being made up.
"""
