"""The command line: errors, output, completion and the files of a run."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from conftest import compose
from unrolled.cli import COMMANDS, run

pytestmark = pytest.mark.usefixtures("undrawn_pages")

PACKAGE = str(Path(__file__).parents[1] / "src" / "unrolled" / "__init__.py")
SCRIPT = "import sys; sys.argv[0] = 'unrolled'; from unrolled.cli import main; main()"
UNROLLED = (sys.executable, "-c", SCRIPT)


def unrolled(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in another process."""
    return subprocess.run(
        [*UNROLLED, *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def forked(server: Any, *arguments: str, cwd: Path, output: str, errors: str) -> int:
    """Run the command line in a fork of a process that has loaded torch; return its exit code.

    output, errors: names of files in cwd for what it prints.
    """
    request = {"arguments": arguments, "cwd": str(cwd)}
    request |= {"output": str(cwd / output), "errors": str(cwd / errors)}
    return server.ask({"wait": server.ask(request)["pid"]})["code"]


@pytest.fixture(scope="module")
def workplace(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder in which the command line has made one short run."""
    folder = tmp_path_factory.mktemp("workplace")
    words = ("train", "trainer.max_epochs=1", "model.hidden_size=16", "seed=0")
    code = forked(server, *words, cwd=folder, output="stdout", errors="stderr")
    assert code == 0, (folder / "stderr").read_text()
    return folder


def only_run(workplace: Path) -> Path:
    (config,) = (workplace / "outputs" / "digits" / "lstm").glob("*/config.yaml")
    return config.parent


REFUSED = {
    "a mistyped group": (["train", "modle=gru"], "did you mean 'model'"),
    "a mistyped option": (["train", "model=lsmt"], "did you mean 'lstm'"),
    "a mistyped key": (["train", "model.hiden_size=3"], "did you mean 'model.hidden_size'"),
    "a mistyped key of a choice": (
        ["train", "model=lru", "model.layer.stat_size=3"],
        "did you mean 'model.layer.state_size'",
    ),
    "a key of another option": (["train", "model.dt=3"], "model has no key 'dt'; model has bidi"),
    "a mistyped node": (
        ["train", "data.windw.size=3"],
        "data has no key 'windw'; did you mean 'data.window.size'",
    ),
    "a key without its node": (["train", "hidden_size=3"], "did you mean 'model.hidden_size'"),
    "a key below a value": (["train", "seed.x=3"], "seed is a value, which has no keys"),
    "a deleted key that does not exist": (
        ["train", "~callbacks.early_stoping"],
        "did you mean 'callbacks.early_stopping'",
    ),
    "a deleted setting": (["train", "~optimizer.lr"], "type optimizer.lr=VALUE"),
    "a setting that Hydra does not have": (
        ["train", "+hydra.job.nmae=x"],
        "hydra.job.nmae=x: Hydra has no such setting; did you mean 'name'",
    ),
    "a mistyped reference": (
        ["train", "optimizer.lr=${recipe.lrs}"],
        "${recipe.lrs} refers to a key that does not exist; did you mean 'recipe.lr'",
    ),
    "a mistyped precision": (["train", "trainer.precision=16bit"], "16-mixed, bf16-mixed"),
    "a mistyped profiler": (["train", "trainer.profiler=simpel"], "did you mean 'simple'"),
    "a mistyped item of a list": (["train", "optimizer.betas=[0.9,2]"], "each item a number"),
    "another main config": (["train", "--config-name=other"], "conf/train.yaml"),
    "a word for a number": (["train", "data.batch_size=abc"], "a whole number >= 1"),
    "a number out of range": (["train", "model.dropout=1.5"], ">= 0 and < 1"),
    "a fraction for a count": (["train", "model.num_layers=1.5"], "a whole number"),
    "a flag for a count": (["train", "model.num_layers=true"], "a whole number"),
    "a negative seed": (["train", "seed=-1"], "seed=-1"),
    "a wrong word": (["train", "data.layout=row"], "did you mean 'rows'"),
    "a fractional curriculum": (["train", "data.curriculum_epochs=0.5"], "a whole number >= 0"),
    "a curriculum in a fixed order": (
        ["train", "data.curriculum_epochs=3", "data.shuffle=false"],
        "data.shuffle=true or data.curriculum_epochs=0",
    ),
    "a foreign target": (["train", "model._target_=os.system"], "model._target_=os.system"),
    "a missing class": (["train", "data._target_=null"], "data._target_"),
    "broken syntax": (["train", "model.hidden_size=[1"], "[1"),
    "a mistyped command": (["trian"], "did you mean 'train'"),
    "no run": (["evaluate"], "run=DIR"),
    "a stray argument": (["list", "all"], "root=DIR"),
}


@pytest.mark.parametrize(("arguments", "hint"), REFUSED.values(), ids=list(REFUSED))
@pytest.mark.acceptance("A20")
@pytest.mark.acceptance("A21")
def test_a_config_error_is_reported_with_a_suggestion_and_leaves_no_folder(
    arguments, hint, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    code = run(arguments)

    assert code == 2
    error = capsys.readouterr().err
    assert hint in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


WITHOUT_TORCH = {
    "no arguments": ([], 0),
    "help": (["-h"], 0),
    "a mistyped option": (["train", "model=lsmt"], 2),
    "a word for a number": (["train", "seed=x"], 2),
    "a mistyped precision": (["train", "trainer.precision=16bit"], 2),
    "a missing GPU": (["train", "trainer=gpu"], 2),
    "a missing file": (["train", "data=files", "data.path=no.csv"], 3),
    "a damaged file of MNIST": (["train", "data=mnist", "data.dir=."], 3),
    "a run to start from without a checkpoint": (["train", "init_from=run"], 4),
    "evaluating a run without a checkpoint": (["evaluate", "run=run"], 4),
    "resuming a run without a checkpoint": (["resume", "run=run"], 4),
    "predicting with a run without a checkpoint": (
        ["predict", "run=run", "input=x.csv", "output=y.csv"],
        4,
    ),
}


@pytest.mark.acceptance("A18")
@pytest.mark.acceptance("A20")
@pytest.mark.acceptance("A21")
@pytest.mark.acceptance("A22")
def test_errors_that_need_no_torch_are_reported_without_importing_it(tmp_path):
    (tmp_path / "run").mkdir()
    config = OmegaConf.to_yaml(compose(), resolve=True)
    (tmp_path / "run" / "config.yaml").write_text(config)
    (tmp_path / "x.csv").write_text("id,label,a\n")
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    lines = [arguments for arguments, _ in WITHOUT_TORCH.values()]
    script = (
        "import sys; from unrolled.cli import run; from unrolled.config import checks\n"
        "checks.GPU_DRIVERS = ('libnothing.so',)\n"
        f"print([run(line) for line in {lines}], file=sys.stderr)\n"
        "sys.exit(', '.join({'torch', 'lightning', 'scipy', 'pandas'} & sys.modules.keys()) or 0)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=False, capture_output=True, text=True
    )

    *errors, codes = done.stderr.splitlines()
    assert (done.returncode, codes) == (0, str([code for _, code in WITHOUT_TORCH.values()]))
    missing = [line for line in errors if "checkpoint" in line]
    assert len(missing) == 4
    assert all("to train again: unrolled train" in line for line in missing)


def test_an_added_key_that_a_class_does_not_have_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    code = run(["train", "+model.hiden_size=3"])

    assert code == 2
    assert "did you mean 'hidden_size'" in capsys.readouterr().err


@pytest.mark.acceptance("A22")
def test_a_missing_gpu_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("unrolled.config.checks.GPU_DRIVERS", ("libnothing.so",))

    assert run(["train", "trainer=gpu"]) == 2
    assert "trainer=auto" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("unrolled ev", {"evaluate"}),
        ("unrolled ", set(COMMANDS)),
        ("unrolled train model=", {"model=rnn", "model=lstm", "model=gru"}),
        ("unrolled train trainer.max_ep", {"trainer.max_epochs="}),
    ],
)
def test_the_shell_completes_commands_options_and_keys(line, expected, tmp_path):
    environment = {"COMP_LINE": line, "COMP_POINT": str(len(line))}

    done = unrolled("-sc", "query=bash", cwd=tmp_path, **environment)

    assert expected <= set(done.stdout.split())


def test_completion_can_be_installed_in_a_shell(tmp_path):
    done = unrolled("-sc", "install=bash", cwd=tmp_path)

    assert done.stdout.rstrip().endswith("-F hydra_bash_completion unrolled")


def test_the_last_line_names_the_run_folder(workplace):
    last_line = (workplace / "stdout").read_text().splitlines()[-1]

    assert last_line == f"run: {only_run(workplace)}"


def test_a_run_logs_no_line_twice_and_nothing_to_standard_error(workplace):
    lines = (workplace / "stdout").read_text().splitlines()

    assert (workplace / "stderr").read_text() == ""
    texts = [line for line in lines if re.search(r"[a-z]", line)]
    assert len(texts) == len(set(texts))
    assert not [line for line in texts if re.search(r"[Tt]ip|litlogger|💡|GPU available", line)]


def test_a_run_folder_holds_the_documented_files(workplace):
    folder = only_run(workplace)

    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert {
        "config.yaml",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "metrics.csv",
        "result.json",
        "provenance.json",
        "train.log",
    } <= names
    assert any("events.out.tfevents" in name for name in names)


def test_a_run_folder_holds_the_files_that_hydra_writes(workplace):
    overrides = (only_run(workplace) / ".hydra" / "overrides.yaml").read_text()

    assert "- model.hidden_size=16" in overrides
    assert (only_run(workplace) / ".hydra" / "config.yaml").is_file()
    assert "mode: RUN" in (only_run(workplace) / ".hydra" / "hydra.yaml").read_text()


def test_the_provenance_records_the_command_as_typed(workplace):
    command = json.loads((only_run(workplace) / "provenance.json").read_text())["command"]

    expected = ["unrolled", "train", "trainer.max_epochs=1", "model.hidden_size=16", "seed=0"]
    assert command == expected


def test_hydras_job_settings_are_respected_and_the_process_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    arguments = list(sys.argv)

    code = run(["train", "debug=fast", "hydra.run.dir=a/${hydra:job.name}", "hydra.job.name=mine"])

    assert code == 0
    assert (tmp_path / "a" / "mine" / "result.json").is_file()
    assert "parameters" in (tmp_path / "a" / "mine" / "train.log").read_text()
    assert sys.argv == arguments
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_a_folder_of_further_options_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "extra" / "model").mkdir(parents=True)
    (tmp_path / "extra" / "model" / "small.yaml").write_text(
        "defaults: [lstm, _self_]\nhidden_size: 7\n"
    )

    code = run(["train", "--config-dir=extra", "--cfg=job", "--package=model", "model=small"])

    assert code == 0
    assert "hidden_size: 7" in capsys.readouterr().out


def test_the_result_records_how_the_run_ended(workplace):
    result = json.loads((only_run(workplace) / "result.json").read_text())

    assert result["state"] == "done"
    assert result["exit_code"] == 0
    assert result["seed"] == 0
    assert result["num_epochs"] == 1
    assert result["num_steps"] == 21  # 1,294 sequences in batches of 64
    assert result["best"].keys() == {"monitor", "value", "epoch", "step"}
    assert result["best"]["value"] == result["scores"]["val/loss"]
    assert result["seconds"].keys() == {"total", "fit", "test"}
    assert {"train/loss", "val/loss", "test/loss", "test/accuracy"} <= result["scores"].keys()
    assert result["num_parameters"] > 0
    assert result["sequences_per_second"] > 0
    assert result["config_hash"]
    assert result["data_fingerprint"]
    assert result["error"] is None


def test_evaluate_in_another_process_gives_the_same_scores_bit_for_bit(workplace, server):
    folder = only_run(workplace)
    in_training = json.loads((folder / "result.json").read_text())["scores"]

    printed = {"output": "evaluated", "errors": "evaluation_errors"}
    code = forked(server, "evaluate", "run=latest", cwd=workplace, **printed)

    assert code == 0, (workplace / "evaluation_errors").read_text()
    assert (workplace / "evaluated").read_text().splitlines()[-1] == f"run: {folder}"
    evaluated = json.loads((folder / "evaluation.json").read_text())["scores"]
    assert evaluated == {name: in_training[name] for name in evaluated}
    assert {"test/loss", "test/accuracy", "test/f1", "test/calibration_error"} <= evaluated.keys()


def test_evaluate_refuses_data_of_another_shape(workplace, capsys):
    assert run(["evaluate", f"run={only_run(workplace)}", "data=random"]) == 3
    assert "8 features per step" in capsys.readouterr().err


def test_evaluate_tests_on_other_data_of_the_same_shape(workplace):
    shape = ("data.source.num_features=8", "data.source.num_steps=5")

    code = run(["evaluate", f"run={only_run(workplace)}", "data=random", *shape])

    assert code == 0
    evaluation = json.loads((only_run(workplace) / "evaluation.json").read_text())
    assert evaluation["num_sequences"] == 1000
    assert evaluation["scores"]["test/accuracy"] < 0.2


def test_evaluate_refuses_to_change_the_model(workplace, capsys):
    assert run(["evaluate", f"run={only_run(workplace)}", "model.hidden_size=3"]) == 2
    assert "only data and trainer" in capsys.readouterr().err


def test_list_shows_the_run_with_its_scores(workplace, capsys):
    assert run(["list", f"root={workplace / 'outputs'}"]) == 0

    line = next(line for line in capsys.readouterr().out.splitlines() if "LSTM" in line)
    assert "done" in line
    assert only_run(workplace).name in line


@pytest.mark.usefixtures("undrawn_pages")
def test_a_sweep_makes_a_run_per_setting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    code = run(["train", "-m", "model=rnn,gru", "debug=fast", "seed=0", "hydra.sweep.dir=sweep"])

    assert code == 0
    names = sorted(path.parent.name for path in Path("sweep").glob("*/result.json"))
    assert names == ["debug-fast_model-gru_seed-0", "debug-fast_model-rnn_seed-0"]


def test_a_failed_job_of_a_sweep_is_recorded_and_the_other_jobs_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    code = run(["train", "-m", "seed=-1,0", "debug=fast", "hydra.sweep.dir=sweep"])

    assert code == 1
    states = {
        path.parent.name: json.loads(path.read_text())["state"]
        for path in Path("sweep").glob("*/result.json")
    }
    assert states == {"debug-fast_seed-0": "done", "debug-fast_seed--1": "failed"}


def test_windows_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ImportError, match="on Windows, install it in WSL"):
        runpy.run_path(PACKAGE)
