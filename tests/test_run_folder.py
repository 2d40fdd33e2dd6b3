"""A run folder returns the values that were written to it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from unrolled.errors import CheckpointError
from unrolled.runs import metrics_csv
from unrolled.runs.metrics_csv import MetricsCSV
from unrolled.runs.result import Best, Result
from unrolled.runs.run_folder import RunFolder

words = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="$\\"))
looks_like = st.sampled_from(
    [
        "1e-3",
        "1",
        "0.5",
        ".inf",
        "nan",
        "null",
        "~",
        "true",
        "no",
        "2024-01-01",
        "12:30",
        "a: b",
        "# c",
    ]
)
numbers = st.one_of(
    st.integers(), st.sampled_from([1e-3, 1e-5, 3e-300, 1e22, 0.1, -0.0, 1.0, float("inf")])
)
values = st.one_of(st.none(), st.booleans(), numbers, words, looks_like)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    node=st.dictionaries(
        st.from_regex("[a-z_]{1,9}", fullmatch=True), st.one_of(values, st.lists(values))
    )
)
def test_a_config_is_read_as_it_was_written(node: dict[str, Any], tmp_path: Path) -> None:
    config = OmegaConf.create({"data": node})
    folder = RunFolder(tmp_path)
    folder.write_config(config)
    read = OmegaConf.to_container(folder.config())
    assert repr(read) == repr({"data": node})


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    best = Best("val/loss", value=0.25, epoch=3, step=84)
    result = Result(state="done", exit_code=0, seed=1, scores={"val/loss": 0.25}, best=best)
    folder = RunFolder(tmp_path)
    folder.write_result(result)
    assert folder.result() == result


@pytest.mark.parametrize("name", ["result", "preprocessing"])
def test_a_file_of_another_format_version_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.json").write_text('{"format_version": 2}')
    with pytest.raises(
        CheckpointError, match=rf"{name}\.json has format version 2, but .* up to 1;"
    ):
        getattr(RunFolder(tmp_path), name)()


def test_scores_are_written_once_per_second_and_before_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(metrics_csv, "monotonic", lambda: now[0])
    logger = MetricsCSV(save_dir=str(tmp_path), purge_step=None)

    def log(step: int) -> None:
        logger.log_metrics({"train/loss": 0.5}, step=step)
        logger.save()

    def num_rows() -> int:
        return len(logger.path.read_text().splitlines()) - 1

    log(0)
    log(1)
    assert num_rows() == 1
    now[0] += 1
    log(2)
    assert num_rows() == 3
    log(3)
    assert num_rows() == 3
    logger.sync()
    assert num_rows() == 4
    log(4)
    logger.finalize("success")
    assert num_rows() == 5
