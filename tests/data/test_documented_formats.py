"""The example files in docs/own-data.md can be read as they are."""

import re
from pathlib import Path

import pytest

from unrolled.data.files.reader import fit_schema
from unrolled.data.files.schema import Schema

PAGE = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## File formats") : PAGE.index("### Text files")]
EXAMPLES = dict(re.findall(r"`(\w+\.\w+)`:\n\n```text\n(.*?)```", SECTION, re.DOTALL))
SETTINGS = {
    "long.csv": {"id": "id", "time": "minute", "label": "kind"},
    "wide.csv": {"id": "id", "label": "kind"},
}


def test_every_text_format_has_an_example() -> None:
    assert sorted(EXAMPLES) == ["X_TRAIN.tsv", "long.csv", "wide.csv", "x.arff", "x.ts"]


@pytest.mark.parametrize("name", ["long.csv", "wide.csv", "x.ts", "x.arff"])
def test_an_example_holds_two_sequences(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(EXAMPLES[name])
    _, found = fit_schema(Schema(**SETTINGS.get(name, {})), tmp_path / name)
    values = [value[:, 0].tolist() for value in found.values]
    assert (values, found.labels) == ([[1.5, 2.5], [4, 3, 2]], ["up", "down"])


def test_the_table_of_the_archive_holds_four_sequences(tmp_path: Path) -> None:
    (tmp_path / "X_TRAIN.tsv").write_text(EXAMPLES["X_TRAIN.tsv"])
    assert fit_schema(Schema(), tmp_path / "X_TRAIN.tsv")[1].labels == ["1", "2", "1", "2"]


def test_the_script_writes_arrays_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = re.search(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert script is not None
    exec(script[1], {})
    padded, flat = (fit_schema(Schema(), Path(name))[1] for name in ("padded.npz", "flat.npz"))
    assert padded.steps.tolist() == flat.steps.tolist() == [[1.5], [2.5], [4], [3], [2]]
