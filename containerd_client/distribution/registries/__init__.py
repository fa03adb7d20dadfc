"""Find the hosts that serve a name and talk HTTP to them: login, certificates, proxies, redirects and retries.

This room may import ``distribution/values`` and ``untrusted``. It must never call containerd.
"""
