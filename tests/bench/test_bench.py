"""`unrolled bench` measures in pairs, writes what it measured, and finds what has changed."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import compose
from unrolled.bench import machine, measuring, pairs
from unrolled.bench.bare import bare_network, require_equal
from unrolled.bench.comparison import changes
from unrolled.bench.pairs import Case, measure_in_rounds, row
from unrolled.bench.record import Record, read_record
from unrolled.bench.settings import Settings, read_settings
from unrolled.bench.startup import startup
from unrolled.building.network import build_network
from unrolled.cli import run
from unrolled.errors import ConfigError

FAST = ("steps", "inference", "length", "loop")
TINY = (
    "models=[rnn,mingru]",
    "shapes=[4x2x3x8]",
    "lengths=[2,4]",
    "length_shape=2x3x8",
    "loop=[experiment=tutorial_random,data.source.num_train=8,data.source.num_val=4,"
    "data.batch_size=4,model.hidden_size=8,model.kernel=torch]",
    "num_sequences=100",
    "pairs=2",
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bench of the fast parts."""
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "SIZE", 64)
        patch.setattr(pairs, "LEAST_SECONDS", 0.001)
        words = [f"parts=[{','.join(FAST)}]", f"output={folder}", *TINY]
        assert run(["bench", *words]) == 0
    return folder


def require_pairs(record: Record) -> None:
    assert len({(row.part, row.name) for row in record.rows}) == len(record.rows)
    for measured in record.rows:
        num = 1 if measured.unit == "bytes" else 2
        assert len(measured.values) == len(measured.reference_values) == num, measured
        assert min(measured.values + measured.reference_values) > 0, measured


def test_every_part_has_rows_of_positive_pairs(bench: Path) -> None:
    record = read_record(bench / "bench.json")
    assert {row.part for row in record.rows} == set(FAST)
    require_pairs(record)


def test_a_model_has_a_row_per_kernel_and_its_own_reference(bench: Path) -> None:
    rows = [row for row in read_record(bench).rows if row.part == "steps"]
    assert [(row.name, row.reference) for row in rows] == [
        ("rnn torch 4x2x3x8", "torch.nn.RNN"),
        ("rnn native 4x2x3x8", "torch.nn.RNN"),
        ("mingru torch 4x2x3x8", "torch.nn.GRU"),
        ("mingru native 4x2x3x8", "torch.nn.GRU"),
    ]
    # t b h (h + d) forward, t b h d backward for w, and twice t b h h for u and the states
    assert [row.flops for row in rows] == [2 * 4 * 2 * 8 * (3 * 8 + 2 * 3)] * 2 + [None] * 2


def test_the_record_names_code_versions_and_cpu(bench: Path) -> None:
    content = json.loads((bench / "bench.json").read_text())
    assert content["machine"]["versions"]["torch"] == torch.__version__
    assert {"commit", "diff_sha256"} <= content["machine"]["git"].keys()
    assert {"cpu", "cpu_flags", "num_threads"} <= content["machine"]["hardware"].keys()
    assert content["product_rates"]["torch.mm"] > 0
    assert content["settings"]["models"] == ["rnn", "mingru"]


@pytest.mark.parametrize("name", ["networks", "growth"])
def test_figures_are_png_and_svg(name: str, bench: Path) -> None:
    assert (bench / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (bench / "figures" / f"{name}.svg").read_text()


@pytest.mark.parametrize("model", ["rnn", "lstm", "gru"])
def test_the_reference_has_the_weights_of_the_network(model: str) -> None:
    config = compose(f"model={model}", "model.num_layers=2", "model.hidden_size=6")
    network = build_network(config, num_features=3, num_steps=5, num_classes=4)
    bare, name = bare_network(network, num_features=3, hidden_size=6)
    x = torch.randn(2, 5, 3)
    require_equal(network, bare, x)
    assert name == f"torch.nn.{model.upper()}"
    bare.linear.bias.data += 1
    with pytest.raises(AssertionError, match="differ by"):
        require_equal(network, bare, x)


def case(log: list[str], now: list[float], name: str, seconds: float, **options: Any) -> Case:
    def function(label: str, duration: float) -> Callable[[], None]:
        def execute() -> None:
            log.append(label)
            now[0] += duration

        return execute

    return Case(
        row("steps", name, "reference"),
        function(name, seconds),
        function(f"{name}'s reference", 2 * seconds),
        clock=lambda: now[0],
        **options,
    )


def test_rounds_measure_each_case_and_its_reference_in_turn() -> None:
    log: list[str] = []
    cases = [case(log, [0.0], name, 1.0, repeats=1) for name in ("a", "b")]
    rows = measure_in_rounds(cases, pairs=2)
    assert log == ["a", "a's reference", "b", "b's reference"] * 2
    assert [measured.ratio().value for measured in rows] == pytest.approx([0.5, 0.5])


def test_a_short_function_is_repeated_and_its_time_is_one_execution() -> None:
    log: list[str] = []
    (measured,) = measure_in_rounds([case(log, [0.0], "a", 0.001, scales=(0.5, 1.0))], pairs=3)
    assert len(log) > 100
    assert measured.values == pytest.approx([0.0005] * 3)
    assert measured.reference_values == pytest.approx([0.002] * 3)


def recorded(*, num_rows: int = 20, num_pairs: int = 12) -> Record:
    """A record of pairs that vary by 2 %, on a machine whose speed drifts."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(num_rows):
        drift = rng.uniform(1, 3, num_pairs)
        noise = np.exp(0.02 * rng.normal(size=(2, num_pairs)))
        rows.append(
            replace(
                row("steps", f"row {number}", "torch.nn.GRU"),
                values=tuple(0.7 * drift * noise[0]),
                reference_values=tuple(drift * noise[1]),
            )
        )
    settings = read_settings(["pairs=12", "models=gru"], recorded={}).measured()
    machine: dict[str, Any] = {"hardware": {"cpu": "x"}, "versions": {"torch": "2"}}
    return Record(settings, machine, {"torch.mm": 1e11}, rows)


def part_of(record: Record, pairs: slice) -> Record:
    rows = [
        replace(
            measured,
            values=measured.values[pairs],
            reference_values=measured.reference_values[pairs],
        )
        for measured in record.rows
    ]
    return replace(record, rows=rows)


def test_two_halves_of_a_bench_show_no_change() -> None:
    record = recorded()
    found = changes(part_of(record, slice(None, None, 2)), part_of(record, slice(1, None, 2)))
    assert {change.verdict for change in found} == {"no change shown"}


def test_an_artificial_change_is_found_and_a_slower_machine_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = recorded()
    record.write(tmp_path / "old.json")
    content = json.loads((tmp_path / "old.json").read_text())
    for number, measured in enumerate(content["rows"]):
        factor = {3: 1.15, 5: 0.85}.get(number, 1.0)
        measured["values"] = [4 * factor * value for value in measured["values"]]
        measured["reference_values"] = [4 * value for value in measured["reference_values"]]
    content["machine"]["versions"]["torch"] = "3"
    (tmp_path / "new.json").write_text(json.dumps(content))
    words = [f"compare={tmp_path}/old.json", f"new={tmp_path}/new.json"]
    assert run(["bench", *words]) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert [line.split()[2] for line in lines if "slower" in line] == ["3"]
    assert [line.split()[2] for line in lines if "faster" in line] == ["5"]
    assert "differs: torch: 2 before, 3 now" in printed
    assert "2 of 20 rows show a change" in printed


def test_compare_measures_with_the_settings_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded().write(tmp_path / "bench.json")
    seen: list[Settings] = []

    def measure(settings: Settings, folder: Path) -> Record:
        seen.append(settings)
        return recorded()

    monkeypatch.setattr(measuring, "measure", measure)
    assert run(["bench", f"compare={tmp_path}", "pairs=3"]) == 0
    assert (seen[0].models, seen[0].pairs) == (("gru",), 3)


def test_tables_fit_eighty_columns(
    bench: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run(["bench", f"compare={bench}", f"new={bench}"]) == 0
    lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("steps: rnn torch" in line for line in lines)
    assert any(line.rstrip().endswith("no change shown") for line in lines)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("part=[steps]", "did you mean 'parts'?"),
        ("steps", "bench takes key=value"),
        ("parts=[step]", "'step' is not one of .* did you mean 'steps'?"),
        ("shapes=[28x100]", "shapes=28x100: need 4 sizes"),
        ("length_shape=0x1x2", "length_shape=0x1x2: need 3 sizes"),
        ("pairs=1", "pairs=1: need a whole number >= 2"),
        ("lengths=[a]", "lengths=a: need a whole number"),
        ("keep_memory=7", "keep_memory=7: need true or false"),
        ("models=[]", r"models=\[\]: need a list"),
        ("new=x", "needs compare=FILE"),
    ],
)
def test_a_wrong_argument_is_refused(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings([word], recorded={})


@pytest.mark.parametrize(
    "content", [None, "[]", "{", '{"format": 99}', '{"format": 1, "rows": [{}]}']
)
def test_a_file_of_something_else_is_refused(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    assert run(["bench", f"compare={path}"]) == 3
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["parts=loop", "loop=[model=lstm,model.bidirectional=true]"], "model.bidirectional=True"),
        (["parts=loop", "loop=[model=tcn]"], "model.kernel"),
        (["parts=steps", "models=minirocket"], "has no training steps"),
        (["parts=steps", "models=lstn"], "did you mean 'lstm'?"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_files_and_threads_are_measured(tmp_path: Path) -> None:
    parts = ("reading", "predict", "threads")
    words = [f"parts=[{','.join(parts)}]", f"output={tmp_path}", *TINY, "num_sequences=2000"]
    assert run(["bench", *words]) == 0
    record = read_record(tmp_path)
    require_pairs(record)
    assert {row.part for row in record.rows} == set(parts)
    assert {"wide.csv", "long.csv", "long.csv, memory"} <= {row.name for row in record.rows}
    assert torch.get_num_threads() == 1
    assert (tmp_path / "figures" / "files.png").is_file()


@pytest.mark.slow
def test_every_process_of_startup_runs(tmp_path: Path) -> None:
    cases = list(startup(read_settings([], recorded={}), tmp_path))
    assert cases[0].row.name == "unrolled --help"
    for started in cases:
        before = started.clock()
        started.measured()
        assert started.clock() > before
        started.reference()
