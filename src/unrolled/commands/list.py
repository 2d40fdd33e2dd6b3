"""`unrolled list [root=outputs]`: prints a table of runs, newest first.

`unrolled list run=DIR` prints the scores and curves of one run; run=latest is the newest.
"""

from pathlib import Path

from unrolled.commands.arguments import take
from unrolled.errors import ConfigError
from unrolled.reports.terminal import show_run, show_runs
from unrolled.runs.run_folder import find_run, find_runs


def run(arguments: list[str]) -> None:
    """Print the runs under a folder, or one run.

    Raises:
        ConfigError: an argument other than root=DIR and run=DIR, or there is no such run.
        CheckpointError: a file of the run is damaged.
    """
    root, rest = take(arguments, "root")
    one, rest = take(rest, "run")
    if rest:
        raise ConfigError(
            f"list takes root=DIR and run=DIR only, for example root=outputs; got {' '.join(rest)}"
        )
    if one is not None:
        show_run(find_run(one, root=Path(root or "outputs")))
        return
    show_runs(list(find_runs(Path(root or "outputs"))), root=Path(root or "outputs"))
