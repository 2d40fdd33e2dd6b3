"""Jobs on a Ray of this machine that nobody else can reach.

Ray listens on every address of a machine, and on Linux takes `_node_ip_address: 127.0.0.1` for the
address by which others see it (ray._private.services.resolve_ip_for_localhost). The switch with
which Ray keeps to itself on macOS and Windows works on Linux too; Ray reads it when it is imported.
"""

import os
import sys
from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from unrolled.errors import ConfigError

SWITCH = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # 0: listens to this machine only


class LocalRayLauncher(Launcher):
    """Hydra's RayLauncher for a Ray that listens on 127.0.0.1 only.

    ray: `init` and `remote`, what ray.init and ray.remote take.

    Raises:
        ConfigError: Ray is not installed, or has been imported without the switch.
    """

    def __init__(self, *, ray: DictConfig) -> None:
        super().__init__()
        if "ray" in sys.modules and os.environ.get(SWITCH) != "0":
            raise ConfigError(
                f"hydra/launcher=ray: Ray is imported already and would listen to other machines; "
                f"set {SWITCH}=0 before"
            )
        os.environ[SWITCH] = "0"
        try:
            from hydra_plugins.hydra_ray_launcher.ray_launcher import RayLauncher
        except ImportError as error:
            raise ConfigError("hydra/launcher=ray: pip install 'unrolled[ray]'") from error
        self.launcher: Launcher = RayLauncher(ray=ray)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Hand on what Hydra gives to every launcher."""
        self.launcher.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Carry out the jobs."""
        return self.launcher.launch(job_overrides, initial_job_idx)
