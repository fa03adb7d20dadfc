"""Build the runtime spec of a sandbox: the pause process that holds a pod's namespaces.

Source: CRI ``PodSandboxConfig``; containerd ``sandboxContainerSpec``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.oci import defaults, resources
from cri_shim.oci.annotations import sandbox_annotations
from cri_shim.oci.cgroup_path import cgroups_path
from cri_shim.oci.mounts import host_sys_mount
from cri_shim.oci.namespaces import set_sandbox_namespaces
from cri_shim.oci.options import SpecOptions
from cri_shim.oci.process import DEFAULT_PATH, merge_env, process_args
from cri_shim.oci.security import seccomp
from cri_shim.oci.security.apparmor import apparmor_profile
from cri_shim.oci.security.selinux import check_level
from cri_shim.oci.users import ResolvedUser, plan_sandbox_user, resolve_user

if TYPE_CHECKING:
    from cri_shim.oci.defaults import Spec
    from cri_shim.oci.image_config import ImageConfig
    from cri_shim.oci.node_facts import NodeFacts

SHM = "/dev/shm"  # noqa: S108 - a path in the container
UNPRIVILEGED_PORTS = "net.ipv4.ip_unprivileged_port_start"
PING_GROUPS = "net.ipv4.ping_group_range"


class SandboxSpecInput(Struct, frozen=True, kw_only=True):
    """The input for a sandbox's spec.

    ``netns_path`` is unused for a pod on the host's network. ``shm_path`` is the pod's shared memory on the node,
    None for the host's own (ipc mode NODE). ``hostname`` is the pod's; empty if the request does not set one.
    ``user`` may be omitted if the image and the request name the user only by numbers, see
    :func:`~cri_shim.oci.users.plan_sandbox_user`. ``seccomp_localhost`` is the content of the profile file.
    """

    id: str
    config: cri.PodSandboxConfig
    image_config: ImageConfig
    facts: NodeFacts
    options: SpecOptions = field(default_factory=SpecOptions)
    netns_path: str = ""
    userns_path: str = ""
    resolv_conf_path: str = ""
    shm_path: str | None = None
    hostname: str = ""
    image_name: str = ""
    user: ResolvedUser | None = None
    pod_annotations: tuple[str, ...] = ()
    seccomp_localhost: bytes | None = None
    apparmor_profiles: frozenset[str] = frozenset()
    process_label: str = ""
    mount_label: str = ""
    base_spec: Spec | None = None


def build_sandbox_spec(given: SandboxSpecInput) -> Spec:
    """Build the spec of a sandbox.

    Raises InvalidArgumentError for a request that contradicts itself, and FailedPreconditionError for one that this
    node cannot fulfil.
    """
    config, options, facts = given.config, given.options, given.facts
    security = config.linux.security_context
    namespaces = security.namespace_options
    check_level(security.selinux_options)
    path = cgroups_path(
        config.linux.cgroup_parent,
        given.id,
        systemd=options.systemd_cgroup,
        fallback_parent=f"/{options.namespace}",
    )
    spec = defaults.base_spec(given.base_spec, path)
    spec["root"]["readonly"] = True
    if given.hostname and namespaces.network != cri.NODE:
        # On the host's network the sandbox is in the host's UTS namespace too; runc refuses to rename the node.
        spec["hostname"] = given.hostname

    process = spec["process"]
    process["args"] = process_args((), (), given.image_config)
    process["cwd"] = given.image_config.working_dir or process["cwd"]
    process["env"] = merge_env(process.get("env", ()), [DEFAULT_PATH], given.image_config.env)
    user = given.user or _user_by_numbers(security, given.image_config)
    process["user"] = user.to_spec()
    process["oomScoreAdj"] = resources.oom_score_adj(resources.SANDBOX_OOM_SCORE_ADJ, facts, options)
    # The pause process never executes another program, so it never needs to gain privileges by that.
    process["noNewPrivileges"] = True

    own_users = set_sandbox_namespaces(spec, namespaces, given.netns_path, given.userns_path)
    _set_mounts(spec, given, own_users=own_users)
    sysctls = _sysctls(given, own_users=own_users)
    if sysctls:
        spec["linux"]["sysctl"] = sysctls
    spec["linux"]["resources"]["cpu"] = {"shares": resources.SANDBOX_CPU_SHARES}
    spec["annotations"] = {
        **spec.get("annotations", {}),
        **sandbox_annotations(given.id, config, given.image_name, given.pod_annotations),
    }
    _set_security(spec, given)
    return spec


def _user_by_numbers(security: cri.LinuxSandboxSecurityContext, image: ImageConfig) -> ResolvedUser:
    plan = plan_sandbox_user(security, image)
    if not plan.user.isdigit() or (plan.group and not plan.group.isdigit()):
        raise InvalidArgumentError(f"sandbox user {plan.user!r} must be looked up in the image first")
    return resolve_user(plan)


def _set_mounts(spec: Spec, given: SandboxSpecInput, *, own_users: bool) -> None:
    """Mount the pod's shared memory and resolv.conf over the defaults; Kata configures its machine from the latter."""
    security = given.config.linux.security_context
    host_network = security.namespace_options.network == cri.NODE
    host_ipc = security.namespace_options.ipc == cri.NODE
    if not (host_ipc or given.shm_path):
        raise InvalidArgumentError("a sandbox with an ipc namespace of its own needs the path of its shared memory")
    # A remount inside a user namespace must repeat the flags that the mount already has.
    flags = ("rbind", "ro", "nosuid", "nodev", "noexec")
    mounts = [entry for entry in spec["mounts"] if entry["destination"] != SHM]
    mounts.append(defaults.mount(SHM, "bind", SHM if host_ipc else str(given.shm_path), *flags))
    if given.resolv_conf_path:
        mounts.append(defaults.mount("/etc/resolv.conf", "bind", given.resolv_conf_path, *flags))
    if host_network and own_users:
        mounts = [entry for entry in mounts if entry["destination"] != "/sys"]
        mounts.append(host_sys_mount())
    elif security.privileged:
        for entry in mounts:
            if entry["destination"] == "/sys":
                entry["options"] = ["rw" if option == "ro" else option for option in entry["options"]]
    spec["mounts"] = mounts


def _sysctls(given: SandboxSpecInput, *, own_users: bool) -> dict[str, str]:
    """Return the pod's sysctls, plus those that save its programs a capability unless the request sets them."""
    result = dict(given.config.linux.sysctls)
    if given.config.linux.security_context.namespace_options.network == cri.NODE:
        return result
    if given.options.enable_unprivileged_ports:
        result.setdefault(UNPRIVILEGED_PORTS, "0")
    if given.options.enable_unprivileged_icmp and not given.facts.in_user_namespace and not own_users:
        result.setdefault(PING_GROUPS, "0 2147483647")
    return result


def _set_security(spec: Spec, given: SandboxSpecInput) -> None:
    security = given.config.linux.security_context
    section = seccomp.seccomp_section(
        seccomp.wanted_profile(security, given.options.unset_seccomp_profile),
        available=given.facts.seccomp,
        capabilities=spec["process"]["capabilities"].get("bounding", ()),
        machine=given.facts.machine,
        kernel=given.facts.kernel,
        localhost=given.seccomp_localhost,
    )
    if section is not None:
        spec["linux"]["seccomp"] = section
    if security.HasField("apparmor"):
        # Unlike a container, a pause process is not confined unless the request asks for it.
        profile = apparmor_profile(
            cri.LinuxContainerSecurityContext(apparmor=security.apparmor, privileged=security.privileged),
            available=given.facts.apparmor and not given.options.disable_apparmor,
            loaded=given.apparmor_profiles,
        )
        if profile is not None:
            spec["process"]["apparmorProfile"] = profile
    if given.process_label and not security.privileged:
        spec["process"]["selinuxLabel"] = given.process_label
    if given.mount_label:
        spec["linux"]["mountLabel"] = given.mount_label
