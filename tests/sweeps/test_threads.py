"""A sweep starts as many jobs at once as there are cores for their threads."""

import os

import pytest
from hydra.types import HydraContext
from omegaconf import OmegaConf

from unrolled.config.composition import compose_config
from unrolled.sweeps.forked_launcher import ForkedLauncher


@pytest.mark.parametrize(
    ("num_threads", "typed", "at_once"),
    [(1, [], 8), (2, ["num_threads=2"], 4), (1, ["seed=1,2", "num_threads=1,4"], 2), (None, [], 8)],
)
def test_jobs_at_once_are_cores_divided_by_threads(
    num_threads: int | None, typed: list[str], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    launcher = ForkedLauncher(jobs_at_once=None, gpu_gigabytes=4.0)
    config = {
        "num_threads": num_threads,
        "trainer": {"accelerator": "cpu"},
        "hydra": {"overrides": {"task": typed}},
    }
    launcher.setup(
        hydra_context=HydraContext.__new__(HydraContext),
        task_function=lambda _: None,
        config=OmegaConf.create(config),
    )
    assert launcher._slots()[1] == at_once


def test_a_job_on_ray_asks_for_a_core_per_thread() -> None:
    config = compose_config(["hydra/launcher=ray", "num_threads=3"])
    assert config.hydra.launcher.ray.remote.num_cpus == 3
