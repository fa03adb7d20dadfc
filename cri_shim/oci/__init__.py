"""The OCI runtime spec of sandboxes and containers, built by pure functions.

Everything that must be looked up on the node comes in as plain values; :mod:`cri_shim.oci.node_facts` is the one file
here that reads it. The two entrances are :func:`cri_shim.oci.sandbox_spec.build_sandbox_spec` and
:func:`cri_shim.oci.container_spec.build_container_spec`.
"""
