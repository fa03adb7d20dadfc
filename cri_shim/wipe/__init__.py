"""Remove everything that this daemon has on the node and in containerd, and nothing that belongs to others.

``inventory`` reads what there is, which is also what a dry run shows; ``removal`` removes pods as the daemon itself
would, and then what no record leads to; the inventory taken afterwards says what stayed.

This room may import every other room but ``bench`` and ``setup``, and of ``terminal`` only what finds daemons. It must
never remove what carries no mark of this daemon, nor work beside a daemon that runs.
"""
