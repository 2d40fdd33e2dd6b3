"""`unrolled list [root=outputs]`: prints a table of runs, newest first."""

from pathlib import Path

from unrolled.commands.arguments import take
from unrolled.errors import ConfigError
from unrolled.reports.terminal import show_runs
from unrolled.runs.run_folder import find_runs


def run(arguments: list[str]) -> None:
    """Print the runs under a folder.

    Raises:
        ConfigError: an argument other than root=DIR.
    """
    root, rest = take(arguments, "root")
    if rest:
        raise ConfigError(
            f"list takes root=DIR only, for example root=outputs; got {' '.join(rest)}"
        )
    show_runs(list(find_runs(Path(root or "outputs"))), root=Path(root or "outputs"))
