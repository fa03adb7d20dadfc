"""Build the runtime spec of a container in a pod.

The order of the steps matters where a later step depends on an earlier one: privileged undoes much, and the
default seccomp profile depends on the final capabilities. Source: CRI ``ContainerConfig``; containerd
``buildLinuxSpec``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.oci import capabilities, defaults, resources
from cri_shim.oci.annotations import SHIM_GROUP, container_annotations
from cri_shim.oci.cgroup_path import cgroups_path
from cri_shim.oci.devices import DeviceGrant, DeviceNode, add_devices, add_host_devices
from cri_shim.oci.mounts import ResolvedMount, apply_mounts, cgroup_mount, host_sys_mount
from cri_shim.oci.namespaces import PodNamespaces, set_container_namespaces, set_namespace
from cri_shim.oci.options import SpecOptions
from cri_shim.oci.process import DEFAULT_PATH, check_process, merge_env, process_args
from cri_shim.oci.security import seccomp
from cri_shim.oci.security.apparmor import apparmor_profile
from cri_shim.oci.security.selinux import check_level
from untrusted import decode_utf8

if TYPE_CHECKING:
    from cri_shim.oci.defaults import Spec
    from cri_shim.oci.image_config import ImageConfig
    from cri_shim.oci.node_facts import NodeFacts
    from cri_shim.oci.users import ResolvedUser


class ContainerSpecInput(Struct, frozen=True, kw_only=True):
    """The input for a container's spec.

    ``mounts`` are those of the request, ``extra_mounts`` the pod's files (:func:`~cri_shim.oci.mounts.pod_file_mounts`)
    and ``volume_mounts`` the image's VOLUMEs; if two have the same path, the request's wins. ``target_pid`` is for pid
    mode TARGET. A privileged container gets ``host_devices`` unless ``privileged_without_host_devices`` is set.
    ``hostname`` is the pod's, or the node's if the pod has none. ``image_name`` is the reference that the user wrote.
    ``own_shim`` means that it does not share a shim with other containers of its pod.
    The last three fields are the handler's globs and its ``base_runtime_spec``, already parsed.
    """

    id: str
    sandbox_id: str
    namespaces: PodNamespaces
    config: cri.ContainerConfig
    sandbox_config: cri.PodSandboxConfig
    image_config: ImageConfig
    user: ResolvedUser
    facts: NodeFacts
    options: SpecOptions = field(default_factory=SpecOptions)
    image_name: str = ""
    hostname: str = ""
    target_pid: int | None = None
    mounts: tuple[ResolvedMount, ...] = ()
    extra_mounts: tuple[ResolvedMount, ...] = ()
    volume_mounts: tuple[ResolvedMount, ...] = ()
    devices: tuple[DeviceGrant, ...] = ()
    host_devices: tuple[DeviceNode, ...] = ()
    privileged_without_host_devices: bool = False
    privileged_without_host_devices_all_devices_allowed: bool = False
    seccomp_localhost: bytes | None = None
    apparmor_profiles: frozenset[str] = frozenset()
    process_label: str = ""
    mount_label: str = ""
    own_shim: bool = False
    pod_annotations: tuple[str, ...] = ()
    container_annotations: tuple[str, ...] = ()
    base_spec: Spec | None = None


def build_container_spec(given: ContainerSpecInput) -> Spec:
    """Build the spec of a container.

    Raises InvalidArgumentError for a request that contradicts itself or its pod, and FailedPreconditionError for one
    that this node cannot fulfil.
    """
    security = given.config.linux.security_context
    if security.privileged and not given.sandbox_config.linux.security_context.privileged:
        raise InvalidArgumentError("a privileged container is allowed only in a privileged pod")
    check_level(security.selinux_options)
    path = cgroups_path(
        given.sandbox_config.linux.cgroup_parent,
        given.id,
        systemd=given.options.systemd_cgroup,
        fallback_parent=f"/{given.options.namespace}",
    )
    spec = defaults.base_spec(given.base_spec, path)
    spec["root"]["readonly"] = security.readonly_rootfs
    _set_process(spec, given)
    _set_namespaces(spec, given)
    _set_mounts(spec, given)
    _set_paths(spec, given)
    _set_devices(spec, given)
    # Without a score of its own the process would inherit the shim's, which may be as low as containerd's.
    score = spec["process"].get("oomScoreAdj", 0)
    if given.config.linux.HasField("resources"):
        resources.apply_resources(spec, given.config.linux.resources, given.facts, given.options)
        score = given.config.linux.resources.oom_score_adj
    spec["process"]["oomScoreAdj"] = resources.oom_score_adj(score, given.facts, given.options)
    _set_security(spec, given)
    spec["annotations"] = {
        **spec.get("annotations", {}),
        **container_annotations(
            given.sandbox_id,
            given.config,
            sandbox_config=given.sandbox_config,
            image_name=given.image_name,
            pod_patterns=given.pod_annotations,
            container_patterns=given.container_annotations,
        ),
    }
    if given.own_shim:
        spec["annotations"][SHIM_GROUP] = given.id
    return spec


def _set_process(spec: Spec, given: ContainerSpecInput) -> None:
    config, image, process = given.config, given.image_config, spec["process"]
    security = config.linux.security_context
    process["args"] = process_args(config.command, config.args, image)
    process["cwd"] = config.working_dir or image.working_dir or process["cwd"]
    process["terminal"] = config.tty
    process["env"] = merge_env(
        process.get("env", ()),
        [DEFAULT_PATH],
        ["TERM=xterm"] if config.tty else [],
        [f"HOSTNAME={given.hostname}"],
        image.env,
        # CRI sends bytes and the spec is JSON, so bytes that are not UTF-8 cannot arrive unchanged.
        (f"{pair.key}={decode_utf8(pair.value)}" for pair in config.envs),
    )
    check_process(process)
    process["user"] = given.user.to_spec()
    process["noNewPrivileges"] = security.no_new_privs
    if given.options.rlimits:
        process["rlimits"] = [
            {"type": limit.name, "soft": limit.soft, "hard": limit.hard} for limit in given.options.rlimits
        ]
    available = given.facts.capabilities
    retained: tuple[str, ...] = ()
    if security.privileged:
        chosen = available
    else:
        inherited = tuple(process["capabilities"].get("bounding", ()))
        requested = security.capabilities if security.HasField("capabilities") else None
        chosen = capabilities.wanted(requested, available, inherited)
        retained = capabilities.ambient(security.capabilities, available)
    process["capabilities"] = defaults.capability_sets(chosen, retained)


def _set_namespaces(spec: Spec, given: ContainerSpecInput) -> None:
    security = given.config.linux.security_context
    sandbox = given.sandbox_config.linux.security_context.namespace_options
    own_users = set_container_namespaces(spec, security.namespace_options, sandbox, given.namespaces, given.target_pid)
    if given.facts.cgroup_v2 and not security.privileged:
        # A new cgroup namespace hides the rest of the tree; on v1 containers have always seen the host's names.
        set_namespace(spec, "cgroup")
    if own_users and sandbox.network == cri.NODE:
        spec["mounts"] = [entry for entry in spec["mounts"] if entry["destination"] != "/sys"]
        spec["mounts"].append(host_sys_mount())


def _set_mounts(spec: Spec, given: ContainerSpecInput) -> None:
    privileged = given.config.linux.security_context.privileged
    if privileged:
        for entry in spec["mounts"]:
            if entry["type"] == "sysfs":
                entry["options"] = ["rw" if option == "ro" else option for option in entry["options"]]
    apply_mounts(
        spec,
        given.mounts,
        [*given.extra_mounts, *given.volume_mounts],
        cgroup=cgroup_mount(
            writable=privileged or (given.options.cgroup_writable and given.facts.cgroup_v2),
            host_options=given.facts.cgroup2_options if privileged else (),
        ),
        recursive_read_only=given.options.recursive_read_only_mounts,
    )


def _set_paths(spec: Spec, given: ContainerSpecInput) -> None:
    """Mask exactly the paths that the request names; the kubelet decides about the defaults and their unmasking."""
    security = given.config.linux.security_context
    if security.privileged:
        spec["linux"]["maskedPaths"], spec["linux"]["readonlyPaths"] = [], []
    elif not given.options.disable_proc_mount:
        spec["linux"]["maskedPaths"] = list(security.masked_paths)
        spec["linux"]["readonlyPaths"] = list(security.readonly_paths)


def _set_devices(spec: Spec, given: ContainerSpecInput) -> None:
    security = given.config.linux.security_context
    owner = (security.run_as_user.value, security.run_as_group.value)
    uid, gid = owner if given.options.device_ownership_from_security_context else (0, 0)
    add_devices(spec, given.devices, uid=uid, gid=gid)
    if not security.privileged:
        return
    if not given.privileged_without_host_devices:
        add_host_devices(spec, given.host_devices)
    elif not given.privileged_without_host_devices_all_devices_allowed:
        return
    spec["linux"]["resources"]["devices"] = [dict(defaults.ALLOW_ALL_DEVICES)]


def _set_security(spec: Spec, given: ContainerSpecInput) -> None:
    """Confine the process by seccomp, AppArmor and SELinux; a privileged one loses the settings of a base spec."""
    security = given.config.linux.security_context
    if security.privileged:
        spec["linux"].pop("seccomp", None)
        spec["process"].pop("apparmorProfile", None)
        spec["process"].pop("selinuxLabel", None)
    section = seccomp.seccomp_section(
        seccomp.wanted_profile(security, given.options.unset_seccomp_profile),
        available=given.facts.seccomp,
        capabilities=spec["process"]["capabilities"]["bounding"],
        machine=given.facts.machine,
        kernel=given.facts.kernel,
        localhost=given.seccomp_localhost,
    )
    if section is not None:
        spec["linux"]["seccomp"] = section
    profile = apparmor_profile(
        security,
        available=given.facts.apparmor and not given.options.disable_apparmor,
        loaded=given.apparmor_profiles,
    )
    if profile is not None:
        spec["process"]["apparmorProfile"] = profile
    if given.process_label and not security.privileged:
        spec["process"]["selinuxLabel"] = given.process_label
    if given.mount_label:
        spec["linux"]["mountLabel"] = given.mount_label
