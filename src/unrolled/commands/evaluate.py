"""`unrolled evaluate run=DIR [data=...] [trainer=...]`: test scores of a run's best checkpoint."""

from pathlib import Path

from unrolled.building.instantiation import prepare_source
from unrolled.commands.arguments import quote_names, take
from unrolled.config.checks import check_config
from unrolled.config.composition import override
from unrolled.errors import ConfigError
from unrolled.runs.result import Result
from unrolled.runs.run_folder import find_run


def run(arguments: list[str]) -> None:
    """Evaluate; everything but what is overridden comes from the run folder.

    Raises:
        UnrolledError: no such run, or data that does not fit it.
    """
    name, rest = take(arguments, "run")
    root, rest = take(rest, "root")
    if name is None:
        raise ConfigError("evaluate needs run=DIR or run=latest; `unrolled list` shows runs")
    folder = find_run(name, root=Path(root or "outputs"))
    folder.require_best_checkpoint()
    config = override(folder.config(), quote_names(rest), groups=("data", "trainer"))
    check_config(config)
    prepare_source(config)
    config.trainer.enable_progress_bar = False  # a pass over the test part, and a table
    from unrolled.reports.terminal import show_scores
    from unrolled.training import experiment

    show_scores(Result(scores=experiment.evaluate(config, folder)["scores"]))
    print(f"run: {folder.path}", flush=True)
