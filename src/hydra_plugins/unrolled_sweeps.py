"""Launchers and sweepers for Hydra, which searches the package hydra_plugins for them."""

from unrolled.sweeps import forked_launcher, grid_sweeper, local_ray, optuna_sweeper


class ForkedLauncher(forked_launcher.ForkedLauncher):
    """Runs jobs in parallel, forked from a process that has loaded torch."""


class GridSweeper(grid_sweeper.GridSweeper):
    """Runs every combination, and prints a table at the end."""


class LocalRayLauncher(local_ray.LocalRayLauncher):
    """Runs jobs on a Ray instance that only this machine can reach."""


class OptunaSweeper(optuna_sweeper.OptunaSweeper):
    """Searches with Optuna, and prints a table at the end."""
