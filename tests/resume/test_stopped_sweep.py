"""A signal ends a whole sweep, and the same command goes on where it was."""

from .conftest import SMALL

SWEEP = ["train", "-m", *SMALL, "trainer.max_epochs=1", "seed=1,2,3"]


def test_stopped_sweep_names_what_is_left_and_goes_on(new_run):
    run = new_run()
    arguments = [*SWEEP, f"hydra.sweep.dir={run.path}/sweep"]
    stop = {"at": "batch_end", "epoch": 0, "batch": 2, "seed": 2, "do": "SIGTERM"}
    assert run.wait(run.start(arguments, fault=stop)) == 143, run.output
    left = [line for line in run.output.splitlines() if line.startswith("not run: ")]
    assert [line[-6:] for line in left] == ["seed=3"]
    assert f"hydra.sweep.dir={run.path}/sweep" in run.output
    num_steps = len(run.steps)
    assert run.wait(run.start(arguments)) == 0, run.output
    assert len(run.steps) == num_steps + 4 + 7
    results = sorted((run.path / "sweep").glob("*/result.json"))
    assert len(results) == 3
    assert all('"state": "done"' in path.read_text() for path in results)
