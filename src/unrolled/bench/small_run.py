"""A run of one step on a few random sequences, whose weights do not matter."""

from pathlib import Path

from unrolled.config.composition import compose_config, without_hydra
from unrolled.runs.run_folder import RunFolder

NUM_FEATURES, NUM_UNITS, NUM_CLASSES = 3, 128, 4
SETTINGS = (
    "data=random",
    f"data.source.num_features={NUM_FEATURES}",
    f"data.source.num_classes={NUM_CLASSES}",
    "data.source.num_steps=16",
    "data.source.num_train=40",
    "data.source.num_val=12",
    "data.source.num_test=12",
    "data.batch_size=8",
    "model=lstm",
    f"model.hidden_size={NUM_UNITS}",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "trainer.max_steps=1",
    "trainer.enable_progress_bar=false",
    "logger=none",
)


def small_run(folder: Path, overrides: tuple[str, ...] = SETTINGS) -> RunFolder:
    """Train a run in a folder, and return it."""
    from unrolled.training.experiment import train

    run = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    train(without_hydra(compose_config(list(overrides))), run, overrides=[])
    return run
