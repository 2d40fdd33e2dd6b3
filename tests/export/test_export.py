"""`unrolled export`: what onnxruntime computes from the files is what the run computes.

Exports run in a process of the fork server, because the exporter cannot follow functions whose
shapes are checked, as they are in this process.
"""

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open

import unrolled
from conftest import encoders, options, ragged, with_option
from resume.conftest import Server
from unrolled.baselines.minirocket import MiniRocket
from unrolled.building.ensemble import Ensemble
from unrolled.cli import run
from unrolled.errors import ConfigError, ExportError, OutOfMemoryError
from unrolled.export import checks
from unrolled.export.folder import export_run
from unrolled.export.refusals import require_exportable
from unrolled.runs.run_folder import RunFolder

DEPLOY = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()
OWN = ("recipe=own", "data.missing=forward")
CAUSAL = ("recipe.causal=true", "data.missing=forward", "stem.stride=2", "stem.pool=2")
WINDOWS = ("data.window.size=6", "data.window.stride=4", "stem=none", "data.missing=forward")

Export = Callable[..., tuple[Path, str]]

# Runs a script in a process that cannot import the packages of training.
WITHOUT_TORCH = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "lightning", "unrolled", "pandas", "sklearn", "onnx"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
sys.argv = sys.argv[1:]
sys.path.insert(0, ".")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="session")
def exporter() -> Iterator[Server]:
    """A process that has exported a graph and forks commands."""
    server = Server(Path(__file__).with_name("export_server.py"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def export(
    exporter: Server, train_ragged: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Export:
    """Train with some settings and export; return the exported folder and what was printed."""

    def carry_out(*settings: str) -> tuple[Path, str]:
        place = tmp_path_factory.mktemp("export")
        arguments = ["export", f"run={train_ragged(*settings)}", f"output={place / 'out'}"]
        paths = {"output": str(place / "output.txt"), "record": str(place / "record.jsonl")}
        pid = exporter.ask({"arguments": arguments, **paths})["pid"]
        code = exporter.ask({"wait": pid})["code"]
        printed = (place / "output.txt").read_text()
        assert code == 0, printed
        return place / "out", printed

    return carry_out


@pytest.fixture(scope="module")
def exported(export: Export) -> tuple[Path, str]:
    """The export of a small LSTM. Only to be read."""
    return export(*OWN)


def without_torch(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-c", WITHOUT_TORCH, *words]


@pytest.mark.slow
def test_the_graphs_were_compared_with_the_run(exported: tuple[Path, str]) -> None:
    folder, printed = exported

    differences = re.findall(r"(\w+\.onnx): .*largest difference (\S+)", printed)

    assert [name for name, _ in differences] == ["model.onnx", "step.onnx"]
    assert all(float(number) <= 1e-5 for _, number in differences)
    assert "steps, in batches of 1, 3 and" in printed
    names = {"model.onnx", "step.onnx", "start.npz", "predict.py", "README.md"}
    assert {path.name for path in folder.iterdir()} == names


@pytest.mark.slow
def test_the_graph_says_what_it_is(exported: tuple[Path, str]) -> None:
    folder, _ = exported
    model = onnxruntime.InferenceSession(folder / "model.onnx")

    words = model.get_modelmeta().custom_metadata_map

    assert json.loads(words["class_names"]) == ["falls", "rises"]
    assert json.loads(words["feature_names"]) == ["a", "b"]
    graph = onnx.load(folder / "model.onnx")
    versions = {part.domain: part.version for part in graph.opset_import}
    assert int(words["opset"]) == versions[""]
    x, lengths = model.get_inputs()
    assert (x.type, x.shape[2]) == ("tensor(double)", 2)
    assert lengths.type == "tensor(int64)"
    assert all(isinstance(size, str) for size in (*x.shape[:2], *lengths.shape))


@pytest.mark.slow
def test_the_script_runs_without_torch(
    exported: tuple[Path, str], train_ragged: Callable[..., Path], tmp_path: Path
) -> None:
    folder, _ = exported
    assert len((folder / "predict.py").read_text().splitlines()) <= 40
    some = ragged(3, seed=7)
    for number, x in enumerate(some):
        np.save(tmp_path / f"{number}.npy", x)
    files = [str(tmp_path / f"{number}.npy") for number in range(3)]

    words = without_torch(folder, "predict.py", *files)
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)

    expected = unrolled.load(train_ragged(*OWN)).predict(some)
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert [(name, label) for name, label, _ in lines] == list(
        zip(files, expected.labels, strict=True)
    )
    found = [json.loads(probabilities) for _, _, probabilities in lines]
    np.testing.assert_allclose(found, expected.probabilities, atol=1e-4)
    assert re.search(r"\d\.\d{5}", done.stdout) is None  # rounded, without the noise of float32


@pytest.mark.slow
def test_the_examples_of_the_documentation_run_without_torch(
    exported: tuple[Path, str], train_ragged: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "service"
    shutil.copytree(exported[0], folder)
    _, example, service = re.findall(r"```python\n(.*?)```", DEPLOY, re.DOTALL)
    (folder / "example.py").write_text(example)
    (folder / "service.py").write_text(service)
    subprocess.run(without_torch(folder, "example.py"), cwd=folder, check=True)
    some = ragged(3, seed=7, missing=0.0)

    words = without_torch(folder, "service.py", "0")
    process = subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = post(url, {"sequences": [x.tolist() for x in some]})
        with pytest.raises(urllib.error.HTTPError, match="400"):
            post(url, {"sequences": [[[1.0]]]})
    finally:
        process.kill()
        process.communicate()

    expected = unrolled.load(train_ragged(*OWN)).predict(some)
    assert answer["predicted"] == expected.labels
    np.testing.assert_allclose(answer["probabilities"], expected.probabilities, atol=1e-5)


def post(url: str, content: Any) -> Any:
    request = urllib.request.Request(url, data=json.dumps(content).encode())
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


@pytest.mark.slow
def test_the_model_card_names_features_classes_and_checks(exported: tuple[Path, str]) -> None:
    folder, printed = exported

    card = (folder / "README.md").read_text()

    assert card.startswith("# Model card: LSTM\n")
    assert "| 0 | a | " in card
    assert "`falls`, `rises`" in card
    for line in printed.splitlines():
        if ".onnx: " in line:
            assert f"- {line}" in card


RUNS = {
    "the_recipe_for_own_data": ("data.missing=mean", "stem.stride=2", "stem.pool=3"),
    "a_causal_ensemble": (*CAUSAL, "ensemble=[gru,lstm]"),
    "masks_and_attention": ("recipe.causal=true", "data.missing=mask", "head=attention"),
    "the_last_steps": (
        "recipe=own",
        "data.missing=mean",
        "data.max_length=9",
        "data.truncate=head",
    ),
    "the_first_steps": ("recipe=own", "data.missing=forward", "data.max_length=9"),
    "calibrated_windows": (*WINDOWS, "calibration=temperature", "data.val_size=8"),
    "a_bidirectional_model": ("recipe=own", "data.missing=mean", "model.bidirectional=true"),
}


@pytest.mark.slow
@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_a_run_is_exported_with_its_preparation(settings: tuple[str, ...], export: Export) -> None:
    folder, printed = export(*settings)

    assert printed.count("largest difference") == len(list(folder.glob("*.onnx")))
    assert (folder / "step.onnx").exists() == ("step.onnx was not written" not in printed)


# Every kind of state and every head; the other models are rare tests.
OFTEN = {"cnn", "lstm", "mlp", "transformer"}
COMBINATIONS = [
    pytest.param(model, head, marks=pytest.mark.slow if model in OFTEN else pytest.mark.rare)
    for model, head in zip(encoders(), cycle(options("head")), strict=False)
]
COMBINATIONS.append(pytest.param("gru", "max", marks=pytest.mark.slow))  # else a rare head


@pytest.mark.parametrize(("model", "head"), COMBINATIONS)
def test_every_encoder_and_head_is_exported(model: str, head: str, export: Export) -> None:
    size = ("model.hidden_size=8",) if "hidden_size" in with_option("model", model).model else ()
    choices = (f"model={model}", f"head={head}", "data.max_length=20", *size)

    folder, printed = export("recipe=own", "data.missing=mean", *choices)

    steps = ["step.onnx"] if model != "transformer" and head != "all_steps" else []
    assert [path.name for path in sorted(folder.glob("*.onnx"))] == ["model.onnx", *steps], printed


def test_a_model_without_a_graph_is_refused_with_those_that_have_one() -> None:
    ensemble = Ensemble([MiniRocket(num_features=84, seed=0)], input_numbers=[0], temperature=None)

    with pytest.raises(ConfigError, match="model=minirocket cannot be exported") as caught:
        require_exportable(ensemble)

    assert all(model in str(caught.value) for model in encoders())
    assert all(head in str(caught.value) for head in options("head"))


class Wrong:
    """In place of the script of an export: its first probability is wrong."""

    def load(self) -> tuple[Any, list[str]]:
        return None, ["falls", "rises"]

    def predict(self, model: Any, sequences: list[np.ndarray]) -> np.ndarray:
        found = np.full((len(sequences), 2), 0.5, dtype=np.float32)
        found[0, 0] = np.nan
        return found


@pytest.mark.acceptance("A19")
def test_an_export_that_does_not_fit_into_memory_is_refused(
    train_ragged: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = RunFolder(train_ragged(*OWN))
    monkeypatch.setattr("unrolled.memory.available_bytes", lambda: 10**8)

    with pytest.raises(OutOfMemoryError, match=r"95\.4 MiB are available; use format=safetensors"):
        export_run(folder, tmp_path / "export", as_onnx=True)

    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_differs_is_refused(
    train_ragged: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    predictor = unrolled.load(train_ragged(*OWN))
    monkeypatch.setattr(checks, "_script", lambda folder: Wrong())

    with pytest.raises(ExportError, match="differs from the run"):
        checks.check_model(tmp_path, predictor, ragged(3, seed=8))


def test_weights_are_exported_with_what_builds_the_network(
    train_ragged: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = train_ragged(*OWN)
    words = [f"run={folder}", "format=safetensors", f"output={tmp_path / 'out'}"]

    assert run(["export", *words]) == 0

    assert "equal to those of the run" in capsys.readouterr().out
    weights = unrolled.load(folder).run.ensemble.state_dict()
    with safe_open(tmp_path / "out" / "model.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(weights)
        assert all(torch.equal(file.get_tensor(name), weights[name]) for name in weights)
        (config,) = json.loads(file.metadata()["configs"])
    assert config["model"]["layer"]["_target_"].endswith("LSTM")
    assert (tmp_path / "out" / "README.md").read_text().startswith("# Model card: LSTM\n")
    assert run(["export", *words]) == 2
    assert "overwrite=true" in capsys.readouterr().err
    assert run(["export", *words, "overwrite=true"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run=.", "format=pdf"], "need one of onnx, safetensors"),
        (["format=onnx"], "export takes run=DIR"),
        (["run=.", "overwrite=yes"], "need true or false"),
    ],
)
def test_a_wrong_argument_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", *words]) == 2
    assert message in capsys.readouterr().err
