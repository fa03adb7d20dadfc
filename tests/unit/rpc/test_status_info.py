"""The verbose Status: two sets of names in one table."""

from __future__ import annotations

import json
import tomllib

from cri_shim.config import Config, to_toml
from cri_shim.rpc.status_info import cni_config, containerd_root, merged, plugin_config


def test_the_root_of_containerd():
    """It is where the snapshotters are; a snapshotter elsewhere says nothing of it."""
    assert containerd_root("/data/c/io.containerd.snapshotter.v1.overlayfs") == "/data/c"
    assert containerd_root("/var/lib/stargz") == "/var/lib/containerd"
    assert containerd_root("") == ""


def test_both_sets_of_names():
    """Our own keys keep their values, the plugin's come to them, down to the tables that both have."""
    config = Config()
    own = tomllib.loads(to_toml(config))
    both = merged(own, plugin_config(config, "/c"))
    assert both["containerdRootDir"] == "/c"
    assert both["containerd"]["default_runtime_name"] == both["containerd"]["defaultRuntimeName"] == "runc"
    assert both["cni"]["conf_dir"] == both["cni"]["confDir"]
    for key, value in own.items():
        assert both[key] == value or isinstance(value, dict)
    json.dumps(both)


def test_no_network_yet():
    """The directories are shown all the same."""
    assert cni_config(Config(), [])["Networks"] == []
    assert cni_config(Config(), [])["PluginConfDir"] == "/etc/cni/net.d"
