"""Where Hydra looks for launchers and sweepers: it takes those that this module defines."""

from unrolled.sweeps import forked_launcher, grid_sweeper, local_ray, optuna_sweeper


class ForkedLauncher(forked_launcher.ForkedLauncher):
    """Jobs side by side, forked from a process that is warm."""


class GridSweeper(grid_sweeper.GridSweeper):
    """Every combination, and a table in the end."""


class LocalRayLauncher(local_ray.LocalRayLauncher):
    """Jobs on a Ray of this machine, reachable from this machine only."""


class OptunaSweeper(optuna_sweeper.OptunaSweeper):
    """A search, and a table in the end."""
