"""Columns of words as codes (data.embedding): what is fitted, and what new words become."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import compose
from unrolled.building.data import build_data
from unrolled.data.files.schema import Schema
from unrolled.data.files.streaming import pieces_of
from unrolled.data.fitted import Fitted
from unrolled.data.module import SequenceDataModule
from unrolled.errors import ConfigError, DataError

# four training sequences; `once` is in a single one, twice
ROWS = [
    *("a,0,1.0,start,up", "a,1,2.0,stop,up", "a,2,3.0,once,up", "a,3,4.0,once,up"),
    *("b,0,5.0,stop,down", "b,1,6.0,start,down"),
    *("c,0,1.0,start,up", "c,2,2.0,idle,up"),
    *("d,0,1.0,idle,down", "d,1,2.0,stop,down"),
]
HEADER = "id,t,v,event,y"
WORDS = ["idle", "start", "stop"]


def write(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def module(path: Path, *words: str) -> SequenceDataModule:
    config = compose(
        *("data=files", f"data.path={path}", "data.id=id", "data.time=t", "data.label=y"),
        *("data.categorical=[event]", "data.embedding=2", "data.val_size=0", "data.test_size=0"),
        *words,
    )
    data = build_data(config)
    data.prepare_data()
    data.setup()
    return data


def codes(data: SequenceDataModule) -> list[list[int]]:
    """Return the codes of the training sequences, which are the last feature."""
    train = data.parts.train
    pairs = zip(train.x[:, :, -1], train.lengths.tolist(), strict=True)
    return [x[:length].int().tolist() for x, length in pairs]


def schema_of(data: SequenceDataModule) -> Schema:
    assert data.fitted is not None
    assert data.fitted.schema is not None
    return Schema.from_plain(data.fitted.schema)


def numbers_of_pieces(schema: Schema, path: Path) -> list[list[float]]:
    pieces = list(pieces_of(schema, path, labelled=False))
    return [row for piece in pieces for row in piece.values.tolist()]


def test_words_of_two_training_sequences_get_codes_and_all_others_are_0(tmp_path: Path) -> None:
    data = module(write(tmp_path / "x.csv", ROWS))
    assert schema_of(data).categories == {"event": WORDS}
    assert (codes(data), data.num_words) == ([[2, 3, 0, 0], [3, 2], [2, 1], [1, 3]], [3])


def test_a_word_of_the_test_set_alone_is_unknown(tmp_path: Path) -> None:
    held_out = [f"{row},train" for row in ROWS] + [
        *("e,0,1.0,start,up,test", "e,1,1.0,never,up,test"),
        *("f,0,1.0,never,down,test", "f,1,1.0,stop,down,test"),
    ]
    path = write(tmp_path / "x.csv", held_out, header=f"{HEADER},split")
    data = module(path, "data.split_column=split", "data.test_size=null")
    assert schema_of(data).categories == {"event": WORDS}
    assert data.parts.test is not None
    assert data.parts.test.x[:, :, -1].tolist() == [[2, 0], [0, 3]]


@pytest.mark.parametrize("missing", ["forward", "mean", "mask"])
def test_a_missing_word_is_unknown_or_the_one_before(missing: str, tmp_path: Path) -> None:
    rows = [*ROWS, "e,0,1.0,,up", "e,1,2.0,start,up", "e,2,,,up"]
    data = module(write(tmp_path / "x.csv", rows), f"data.missing={missing}")
    assert codes(data)[-1] == [0, 2, 2 if missing == "forward" else 0]
    has_nan = bool(data.parts.train.x.isnan().any())
    assert not has_nan


def test_a_missing_word_is_refused_by_default(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", [*ROWS, "e,0,1.0,,up"])
    with pytest.raises(DataError, match=r"column 'event': the value is missing.*missing=forward"):
        module(path)


@pytest.mark.parametrize("channels", [True, False])
def test_codes_are_not_scaled_and_no_channels_are_made_of_them(
    channels: bool, tmp_path: Path
) -> None:
    added = [f"data.{key}={channels}" for key in ("per_sequence", "differences", "level_and_scale")]
    path = write(tmp_path / "x.csv", ROWS)
    with_words = module(path, *added)
    without = module(
        path, *added, "data.features=[v]", "data.categorical=[]", "data.embedding=null"
    )
    assert torch.equal(with_words.parts.train.x[:, :, :-1], without.parts.train.x)
    assert codes(with_words) == [[2, 3, 0, 0], [3, 2], [2, 1], [1, 3]]


def test_an_event_log_needs_no_numeric_column(tmp_path: Path) -> None:
    data = module(write(tmp_path / "x.csv", ROWS), "data.features=[event]")
    assert data.num_features == 1
    assert codes(data) == [[2, 3, 0, 0], [3, 2], [2, 1], [1, 3]]


def test_the_time_feature_comes_before_the_codes(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", ROWS)
    data = module(path, "data.time_feature=true", "data.standardize=none", "recipe=own")
    wanted = [[1.0, 0.0, 2.0], [2.0, 2.0, 1.0]]
    assert data.parts.train.x[2, :2].tolist() == wanted
    assert numbers_of_pieces(schema_of(data), path)[6:8] == wanted


def test_the_order_of_columns_and_rows_is_irrelevant(tmp_path: Path) -> None:
    data = module(write(tmp_path / "x.csv", ROWS))
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    shuffled = [",".join(reversed(row.split(","))) for row in shuffled]
    header = ",".join(reversed(HEADER.split(",")))
    other = module(write(tmp_path / "z.csv", shuffled, header))
    assert torch.equal(data.parts.train.x, other.parts.train.x)


def test_files_that_are_read_later_have_the_same_codes(tmp_path: Path) -> None:
    schema = schema_of(module(write(tmp_path / "x.csv", ROWS)))
    new = write(tmp_path / "new.csv", ["n,0,1.0,never", "n,1,1.0,stop"], header="id,t,v,event")
    assert numbers_of_pieces(schema, new) == [[1.0, 0.0], [1.0, 3.0]]


def test_what_is_fitted_survives_a_round_trip(tmp_path: Path) -> None:
    data = module(write(tmp_path / "x.csv", ROWS), "data.missing=mask")
    fitted = data.fitted
    assert fitted is not None
    again = Fitted.from_plain(fitted.to_plain())
    x: Tensor = torch.tensor([[[1.0, 2.0], [torch.nan, torch.nan]]], dtype=torch.float64)
    assert again.num_words == [3]
    assert torch.equal(again.scale(x), fitted.scale(x))
    assert again.scale(x)[0, :, 1:].tolist() == [[0.0, 2.0], [1.0, 0.0]]


REFUSED: dict[str, tuple[list[str], str]] = {
    "no words": (["data.categorical=[]"], r"data.embedding=2 needs .*data.categorical=\[COLUMN\]"),
    "wide form": (["data.form=wide"], "data.categorical needs long form"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_setting_without_effect_is_refused(case: str, tmp_path: Path) -> None:
    words, message = REFUSED[case]
    path = write(tmp_path / "x.csv", ROWS)
    with pytest.raises(DataError, match=message):
        module(path, "data.features=[v,event]", *words)


def test_arrays_have_no_words(tmp_path: Path) -> None:
    schema = schema_of(module(write(tmp_path / "x.csv", ROWS)))
    np.savez(tmp_path / "x.npz", x=np.ones((2, 3, 2)), feature_names=["v", "event"])
    with pytest.raises(DataError, match="needs a table with columns of words"):
        pieces_of(schema, tmp_path / "x.npz", labelled=False)


SETTINGS: dict[str, Any] = {
    "data.layout=pixels": "data.layout=rows",
    "data.noise_steps=3": "data.noise_steps=0",
    "trainer.precision=bf16-true": "trainer.precision=bf16-mixed",
    "model=minirocket": "reads numbers",
}


@pytest.mark.parametrize("word", SETTINGS)
def test_settings_that_cannot_read_codes_are_refused_early(word: str) -> None:
    from unrolled.config.checks import check_config

    config = compose("data=files", "data.path=x.csv", "recipe=own", "data.embedding=2", word)
    with pytest.raises(ConfigError, match=f"data.embedding=2.*{SETTINGS[word]}"):
        check_config(config)


def test_minirocket_in_an_ensemble_is_refused_before_anything_is_trained() -> None:
    from unrolled.config.compound import part_configs

    words = ["data=files", "data.path=x.csv", "data.embedding=2", "ensemble=[gru,minirocket]"]
    with pytest.raises(ConfigError, match="MiniRocket reads numbers"):
        part_configs(compose(*words), overrides=words)


def test_a_column_of_many_words_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"{'abcd'[n % 4]},{n},{n},w{n % 60},{'xy'[n % 2]}" for n in range(240)]
    module(write(tmp_path / "x.csv", rows), "data.embedding=null")
    assert "column 'event' has 60 words" in caplog.text
    assert "data.embedding=16" in caplog.text
