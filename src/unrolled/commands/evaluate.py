"""`unrolled evaluate run=DIR [data=...] [trainer=...]`: test a run's best checkpoint again.

run=latest is the newest run with a checkpoint under outputs, or under root=DIR. data=OPTION and
data.KEY=VALUE test it on other data of the same shape, for example data.test_path=new.csv.
The scores are printed and written to evaluation.json in the run folder.
"""

from pathlib import Path

from unrolled.commands.arguments import quote_names, take
from unrolled.config.checks import check_config
from unrolled.config.composition import override
from unrolled.data.files.paths import require_data_paths
from unrolled.errors import ConfigError
from unrolled.runs.result import Result
from unrolled.runs.run_folder import find_run


def run(arguments: list[str]) -> None:
    """Test a run; settings that are not overridden come from its folder.

    Raises:
        UnrolledError: there is no such run, it has no checkpoint, or the data does not fit it.
    """
    name, rest = take(arguments, "run")
    root, rest = take(rest, "root")
    if name is None:
        raise ConfigError("evaluate needs run=DIR or run=latest; `unrolled list` shows runs")
    folder = find_run(name, root=Path(root or "outputs"))
    folder.require_best_checkpoint()
    config = override(folder.config(), quote_names(rest), groups=("data", "trainer"))
    check_config(config)
    require_data_paths(config.data)
    from unrolled.building.source import prepare_source

    prepare_source(config)
    config.trainer.enable_progress_bar = False  # the scores are printed as a table
    from unrolled.reports.terminal import show_scores
    from unrolled.training import experiment

    show_scores(Result(scores=experiment.evaluate(config, folder)["scores"]))
    print(f"run: {folder.path}", flush=True)
