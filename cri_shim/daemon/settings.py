"""Say the settings of single parts in their own words, at the start and when the configuration is read again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cri_shim.images.puller import PullSettings
from cri_shim.images.verifier import ImageVerifier
from cri_shim.network import CniConfig
from cri_shim.tuning.admission import width_for

if TYPE_CHECKING:
    from cri_shim.config import Config


def pull_settings(config: Config) -> PullSettings:
    """Return how images are pulled."""
    image = config.image
    return PullSettings(
        config_path=image.registry.config_path,
        max_concurrent_downloads=image.max_concurrent_downloads,
        max_total_downloads=image.max_total_downloads,
        progress_timeout=image.image_pull_progress_timeout,
        transfer=image.pull == "transfer",
        verifier=ImageVerifier(
            bin_dir=image.verifier.bin_dir,
            max_verifiers=image.verifier.max_verifiers,
            per_verifier_timeout=image.verifier.per_verifier_timeout,
        ),
    )


def cni_config(config: Config) -> CniConfig:
    """Return how pods are attached to networks."""
    cni = config.cni
    return CniConfig(
        bin_dir=":".join(cni.plugin_dirs),
        conf_dir=cni.conf_dir,
        max_conf_num=cni.max_conf_num,
        conf_template=cni.conf_template,
        ip_pref=cni.ip_pref,
        setup_serially=cni.setup_serially,
        timeout=cni.timeout,
        cache_dir=cni.cache_dir,
    )


def starts_at_once(config: Config) -> int:
    """Return how many pods or containers start at the same time."""
    return config.runtime.starts_at_once or width_for(os.cpu_count() or 1)
