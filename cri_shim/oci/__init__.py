"""Build the OCI runtime specs of sandboxes and containers by pure functions.

Facts about the node are passed in as plain values; :mod:`cri_shim.oci.node_facts` is the only file of this room that
reads them. The two entry points are :func:`cri_shim.oci.sandbox_spec.build_sandbox_spec` and
:func:`cri_shim.oci.container_spec.build_container_spec`.

This room may import ``errors``, ``node_faults``, ``untrusted`` and the generated messages of the CRI. It must never
import ``kernel`` or ``containerd_client``.
"""
