"""Scores and logits do not depend on the order of rows, files and sequences."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import compose
from unrolled.contracts import Sequences
from unrolled.data.batches import Batches
from unrolled.training.trainer import build_classifier

TRAIN = (
    "data=files",
    "recipe=own",
    "data.id=name",
    "data.time=step",
    "data.label=kind",
    "model.hidden_size=8",
    "model.bidirectional=true",
    "trainer.max_epochs=2",
    "logger=none",
    "data.baselines=false",
)


def some_rows() -> pd.DataFrame:
    """Return 40 ragged sequences in long form, rising or falling."""
    rng = np.random.default_rng(0)
    rows = [
        (f"s{number:02d}", step, (-1) ** number * step + rng.normal(), ("up", "down")[number % 2])
        for number in range(40)
        for step in range(int(rng.integers(3, 9)))
    ]
    return pd.DataFrame(rows, columns=["name", "step", "value", "kind"])


def write_folder(rows: pd.DataFrame, path: Path, *, order: np.ndarray) -> None:
    """Write one file per sequence, and labels.csv, in this order."""
    path.mkdir()
    names = np.array(sorted(set(rows["name"])))[order]
    for name in names:
        one = rows[rows["name"] == name]
        one[["step", "value"]].to_csv(path / f"{name}.csv", index=False)
    kinds = rows.drop_duplicates("name").set_index("name")["kind"]
    pd.DataFrame({"file": names, "kind": kinds[names]}).to_csv(path / "labels.csv", index=False)


def write(form: str, rows: pd.DataFrame, path: Path, *, seed: int | None) -> str:
    """Write rows in a form, shuffled if there is a seed, and return the file's name."""
    rng = np.random.default_rng(seed)
    if form == "folder":
        order = np.arange(40) if seed is None else rng.permutation(40)
        rows = rows if seed is None else rows.iloc[rng.permutation(len(rows))]
        write_folder(rows, path / "folder", order=order)
        return "folder"
    if form == "wide.csv":
        rows = rows.pivot(index=["name", "kind"], columns="step", values="value").reset_index()
        rows.columns = [name if isinstance(name, str) else f"v_{name}" for name in rows.columns]
    rows = rows if seed is None else rows.iloc[rng.permutation(len(rows))]
    if form.endswith(".parquet"):
        rows.to_parquet(path / form)
    else:
        rows.to_csv(path / form, index=False)
    return form


@pytest.mark.parametrize("form", ["long.csv", "long.parquet", "wide.csv", "folder"])
def test_the_order_of_rows_and_files_does_not_change_a_score(
    form: str, train_in: Callable[..., SimpleNamespace], tmp_path: Path
) -> None:
    records = []
    for seed in (None, 1):
        place = tmp_path / str(seed)
        place.mkdir()
        name = write(form, some_rows(), place, seed=seed)
        overrides = [word for word in TRAIN if form != "folder" or word != "data.id=name"]
        if form == "wide.csv":
            overrides.remove("data.time=step")
        records.append(train_in(*overrides, f"data.path={place / name}").record)
    scores = [record["scores"] for record in records]
    assert scores[0].keys() >= {"test/loss", "val/loss"}
    assert json.dumps(scores[1]) == json.dumps(scores[0])


@pytest.mark.parametrize("model", ["rnn", "lstm", "gru", "lru", "transformer"])
def test_the_composition_of_batches_does_not_change_a_logit(model: str) -> None:
    """A sequence has the same logits alone and in batches with longer and shorter ones."""
    generator = torch.Generator().manual_seed(0)
    num = 60
    lengths = torch.randint(1, 30, (num,), generator=generator)
    x = torch.randn(num, 30, 2, generator=generator, dtype=torch.float64)  # padding, too
    sequences = Sequences(x=x, lengths=lengths, y=torch.zeros(num).long(), ids=torch.arange(num))
    bidirectional = ["model.bidirectional=true"] if model in ("rnn", "lstm", "gru") else []
    classifier = build_classifier(
        compose(f"model={model}", "model.hidden_size=8", *bidirectional),
        num_features=2,
        num_steps=30,
        num_classes=3,
        class_weights=None,
    ).double()
    classifier.eval()
    alone = torch.cat(
        [
            classifier(x[row : row + 1, :length], lengths[row : row + 1])
            for row, length in enumerate(lengths.tolist())
        ]
    )
    for bucket_batches in (1, 3, 20):
        batches = Batches(
            sequences,
            batch_size=7,
            drop_last=False,
            shuffle=True,
            bucket_batches=bucket_batches,
            curriculum_epochs=0,
            seed=bucket_batches,
            redraw=None,
            rank=0,
            world_size=1,
        )
        for batch in batches:
            torch.testing.assert_close(
                classifier(batch.x, batch.lengths), alone[batch.ids], rtol=1e-7, atol=1e-9
            )
