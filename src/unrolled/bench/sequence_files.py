"""Files of random sequences, and the data modules that read them."""

from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from unrolled.building.data import build_data
from unrolled.config.composition import compose_config
from unrolled.data.module import SequenceDataModule

NUM_STEPS = 16
COLUMNS = {"long.csv": ["data.id=id", "data.time=step"]}
WITHOUT_CHANNELS = [  # which would make five features of one
    f"data.{name}=false" for name in ("per_sequence", "differences", "level_and_scale")
]


def write_files(folder: Path, num_sequences: int) -> None:
    """Write the same sequences of one feature in each format."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(num_sequences, NUM_STEPS)).round(4)
    y = rng.integers(2, size=num_sequences)
    wide = pd.DataFrame(x, columns=[f"x_{step}" for step in range(NUM_STEPS)]).assign(label=y)
    wide.to_csv(folder / "wide.csv", index=False)
    np.savez(folder / "x.npz", x=x, y=y)
    long = {
        "id": np.arange(num_sequences).repeat(NUM_STEPS),
        "step": np.tile(np.arange(NUM_STEPS), num_sequences),
        "x": x.ravel(),
        "label": y.repeat(NUM_STEPS),
    }
    pd.DataFrame(long).to_csv(folder / "long.csv", index=False)
    try:
        wide.to_parquet(folder / "wide.parquet")
    except ImportError:  # pyarrow is optional
        return


def settings_for(path: Path) -> list[str]:
    """Return the settings with which a run reads one of the files."""
    labels = [] if path.suffix == ".npz" else ["data.label=label"]
    columns = COLUMNS.get(path.name, [])
    return ["data=files", f"data.path={path}", *labels, *columns, *WITHOUT_CHANNELS]


def prepare(config: DictConfig) -> SequenceDataModule:
    """Read and prepare the sequences of the file that a config names."""
    data = build_data(config)
    data.setup()
    return data


def config_for(path: Path) -> DictConfig:
    """Return the config of a run that reads one of the files."""
    return compose_config(settings_for(path))
