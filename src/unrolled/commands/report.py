"""`unrolled report DIR...`: compares runs, with a row per setting over seeds and folds.

metric=NAME (test/accuracy), sort=METRIC or KEY, group=KEY,KEY (a row per value of these),
where=KEY=VALUE (runs that have it), baselines=false, out=DIR (writes the table there).
"""

from pathlib import Path

from unrolled.commands.arguments import take
from unrolled.errors import ConfigError
from unrolled.output import echo

USAGE = (
    "report takes folders, and metric=NAME, sort=KEY, group=KEY,KEY, where=KEY=VALUE, "
    "baselines=false, out=DIR"
)


def run(arguments: list[str]) -> None:
    """Print the table. Write it to out=DIR, or to the folder of a sweep if all its runs are shown.

    Raises:
        ConfigError: no folder, or a metric or key that no run has.
    """
    metric, rest = take(arguments, "metric")
    sort, rest = take(rest, "sort")
    group, rest = take(rest, "group")
    baselines, rest = take(rest, "baselines")
    out, rest = take(rest, "out")
    conditions = [word.removeprefix("where=") for word in rest if word.startswith("where=")]
    places = [Path(word) for word in rest if not word.startswith("where=")]
    unknown = [place for place in places if not place.is_dir()]
    if not places or unknown or not all("=" in condition for condition in conditions):
        problem = f"{unknown[0]} is no folder; " if unknown else ""
        raise ConfigError(problem + USAGE)
    is_sweep = len(places) == 1 and (places[0] / "multirun.yaml").is_file()
    is_whole = not (metric or sort or group or baselines or conditions)
    folder = Path(out) if out is not None else places[0] if is_sweep and is_whole else None
    from unrolled.reports.report import report

    report(
        places,
        metric=metric,
        sort=sort,
        group=group.split(",") if group else [],
        conditions=[tuple(condition.split("=", 1)) for condition in conditions],
        with_baselines=baselines != "false",
        folder=folder,
    )
    if folder is not None:
        echo(f"table: {folder}/sweep.md (also .csv, .html, .tex)")
