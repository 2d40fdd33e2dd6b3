"""A run folder returns the values that were written to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from unrolled.config.literal import literal_values
from unrolled.config.values import resolve
from unrolled.errors import CheckpointError
from unrolled.runs import config_file, metrics_csv, migrations
from unrolled.runs.metrics_csv import MetricsCSV
from unrolled.runs.result import Best, Result
from unrolled.runs.run_folder import RunFolder
from unrolled.runs.text_file import parse_yaml


@pytest.fixture(autouse=True, scope="module")
def _configs_of_few_settings() -> Iterator[None]:
    """Read configs as they are, without settings that an earlier version did not have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "CONFIG", [])
        yield


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
    read = OmegaConf.to_container(folder.config(), resolve=True)
    assert repr(read) == repr({"data": node})


texts = st.one_of(
    values, st.sampled_from(["${x}", "\\${oc.env:HOME}", "???", "a\nb: c\n", "--- a", "é\u2028"])
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    node=st.dictionaries(
        st.from_regex("[a-z_]{1,9}", fullmatch=True),
        st.one_of(texts, st.lists(texts), st.dictionaries(words, texts)),
        min_size=1,
    )
)
def test_the_plain_config_is_the_resolved_config(node: dict[str, Any], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_config(OmegaConf.create(literal_values(node)))
    assert repr(folder.plain_config()) == repr(resolve(folder.config()))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a: {b: 1,\nc: 2}\n", {"a": {"b": 1, "c": 2}}),
        ("? a\n: b\n", {"a": "b"}),
        ("# x\na:\n- 1\nb: |\n  a: 1\n", {"a": [1], "b": "a: 1\n"}),
        ("a: 'x\n\n b: y'\n", {"a": "x\nb: y"}),
        ("a: 1\na: 2\n", {"a": 2}),
    ],
)
def test_a_plain_config_in_another_form_is_read(
    text: str, values: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(text)
    assert RunFolder(tmp_path).plain_config() == values


@pytest.mark.parametrize("text", ["a: 2024-01-01\n", "a: [", "1", "a: 1\n---\nb: 2\n"])
def test_a_damaged_plain_config_is_refused_by_its_path(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=f"{tmp_path / 'config.yaml'} is damaged"):
        RunFolder(tmp_path).plain_config()


def test_changing_a_plain_config_does_not_change_another(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_config(OmegaConf.create({"model": {"sizes": [1]}}))
    folder.plain_config()["model"]["sizes"].append(2)
    assert folder.plain_config() == {"model": {"sizes": [1]}}


def test_plain_configs_parse_a_section_that_they_share_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []

    def counted(text: str, path: Path) -> dict[str, Any]:
        parsed.append(text)
        return parse_yaml(text, path)

    monkeypatch.setattr(config_file, "parse_yaml", counted)
    for seed in (1, 2):
        (tmp_path / "config.yaml").write_text(f"shared: {{x: {tmp_path}}}\nseed: {seed}\n")
        assert RunFolder(tmp_path).plain_config()["seed"] == seed

    assert len([text for text in parsed if text.startswith("shared")]) == 1


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
