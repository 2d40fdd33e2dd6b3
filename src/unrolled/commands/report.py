"""`unrolled report DIR...`: compares runs, with a row per setting over seeds and folds.

metric=NAME (test/accuracy), sort=METRIC or KEY, group=KEY,KEY (a row per value of these),
where=KEY=VALUE (runs that have it), baselines=false, out=DIR (writes the page and tables there).
"""

from pathlib import Path

from unrolled.commands.arguments import take
from unrolled.errors import ConfigError
from unrolled.output import echo
from unrolled.runs.run_folder import RunFolder

USAGE = (
    "report takes folders, and metric=NAME, sort=KEY, group=KEY,KEY, where=KEY=VALUE, "
    "baselines=false, out=DIR"
)


def run(arguments: list[str]) -> None:
    """Print the table, and write report.html: a page for the sweep, or for a single run.

    They are written to out=DIR, or to the folder itself if all its runs are shown. A sweep also
    gets the table in further formats.

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
    is_run = len(places) == 1 and (places[0] / "config.yaml").is_file()
    is_whole = is_run or not (metric or sort or group or baselines or conditions)
    own = places[0] if (is_sweep or is_run) and is_whole else None
    folder = own if out is None else Path(out)
    from unrolled.reports.report import report

    report(
        places,
        metric=metric,
        sort=sort,
        group=group.split(",") if group else [],
        conditions=[tuple(condition.split("=", 1)) for condition in conditions],
        with_baselines=baselines != "false",
        folder=None if is_run else folder,
    )
    if folder is None:
        return
    if is_run:
        from unrolled.reports.pages.run_page import write_run_page

        write_run_page(RunFolder(places[0]), folder)
    else:
        echo(f"table: {folder}/sweep.md (also .csv, .tex)")
    echo(f"page: {folder}/report.html")
