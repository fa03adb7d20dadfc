"""Keep the state true to containerd and the node: follow events, recover, record exits, sample disk usage.

This room may import ``state``, ``disk``, ``images`` and the floors below. It must never import ``lifecycle`` or
``rpc``: they change pods, and this room notices what has changed.
"""
