"""Engines that exist, where they are installed: the same table and the same continuation."""

import json
import os
import subprocess
import sys
from types import ModuleType

import pytest
from omegaconf import OmegaConf

from resume.conftest import SMALL
from unrolled.config.composition import CONF
from unrolled.errors import ConfigError
from unrolled.sweeps.local_ray import SWITCH, LocalRayLauncher

UNROLLED = (sys.executable, "-c", "from unrolled.cli import main; main()")

LAUNCHERS = {
    "basic": ("hydra", ["hydra/launcher=basic"]),
    "submitit": (
        "submitit",
        ["hydra/launcher=submitit_local", "hydra.sweeper.max_batch_size=2"],
    ),
    "ray": ("ray", ["hydra/launcher=ray", "hydra.launcher.ray.remote.num_cpus=1"]),
}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", LAUNCHERS)
def test_sweep_by_another_engine_ends_in_the_same_table(name, tmp_path):
    module, words = LAUNCHERS[name]
    pytest.importorskip(module)
    if name != "basic":
        pytest.importorskip(f"hydra_plugins.hydra_{name}_launcher")
    folder = tmp_path / "sweep"
    command = [*UNROLLED, "train", "-m", *SMALL, "trainer.max_epochs=1", *words]
    command.append(f"hydra.sweep.dir={folder}")

    def carry_out(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more],
            cwd=tmp_path,
            env=os.environ,
            capture_output=True,
            text=True,
            check=False,
        )

    failing = carry_out("data.batch_size=8,0", "seed=1,2")
    assert failing.returncode == 1, failing.stdout + failing.stderr
    states = [json.loads(path.read_text())["state"] for path in folder.glob("*/result.json")]
    assert sorted(states) == ["done", "done", "failed", "failed"]
    assert "data.batch_size=0: need a whole number" in (folder / "sweep.md").read_text()

    times = {path: path.stat().st_mtime for path in folder.glob("*/checkpoints/best.ckpt")}
    again = carry_out("data.batch_size=8,0", "seed=1,2")
    assert again.returncode == 1
    assert {path: path.stat().st_mtime for path in times} == times, "nothing done is done again"


LISTENERS = """
import sys, yaml
from hydra.utils import get_class
settings = yaml.safe_load(sys.stdin.read())
get_class(settings["_target_"])(ray=settings["ray"])
import ray, psutil  # Ray brings it, out of sight until it is imported
ray.init(**settings["ray"]["init"])
@ray.remote
def job():
    return 1
assert ray.get(job.remote()) == 1
ours = [psutil.Process(), *psutil.Process().children(recursive=True)]
for process in ours:
    for connection in process.net_connections("inet"):
        if connection.status == psutil.CONN_LISTEN:
            print("listens on", connection.laddr.ip)
"""


@pytest.mark.slow
@pytest.mark.acceptance("A32")
def test_a_ray_of_this_machine_listens_to_this_machine_only(tmp_path):
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "-c", LISTENERS],
        input=(CONF / "hydra/launcher/ray.yaml").read_text(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    found = {line.split()[-1] for line in done.stdout.splitlines() if "listens on" in line}
    assert found
    assert found <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


@pytest.mark.acceptance("A32")
def test_a_ray_that_would_listen_to_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    monkeypatch.delenv(SWITCH, raising=False)
    with pytest.raises(ConfigError, match=f"set {SWITCH}=0"):
        LocalRayLauncher(ray=OmegaConf.create({}))
    assert SWITCH not in os.environ
