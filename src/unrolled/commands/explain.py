"""`unrolled explain run=DIR`: measure what the network of a run remembers.

It writes explain.json to the run folder, and report.html with a picture of each measure:

  gradients at the state    the gradient that reaches earlier steps, before and after training
  saturation                how often gates and units are saturated (rnn, lstm, gru)
  eigenvalues               of the recurrent map, and its memory half-life (rnn, lru, s4d, indrnn)
  forgetting curve          how far a change of one step moves the logits
  early decision            accuracy and confidence after a share of the sequence
  occlusion                 which steps of single sequences the decision depends on
  integrated gradients      the same by gradients, if captum is installed

Measures that do not apply to a model are named with the reason. run=latest is the newest run with a
checkpoint under outputs, or under root=DIR. A run that was trained on arrays is measured in Python,
with unrolled.explain(run, data=(x, y)). Settings:

  split=val            train, val or test; else the validation set, or the training set
  num_sequences=128    sequences, evenly spaced in the set
  num_positions=24     positions in time at which sequences are changed or cut off
  num_examples=4       single sequences whose steps are occluded
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.commands.arguments import take_all
from unrolled.config.conf_folder import CONF
from unrolled.config.plain_yaml import parse_plain
from unrolled.config.rule import Rule
from unrolled.config.values import holds_arrays
from unrolled.data.arrays.held import are_held
from unrolled.errors import ConfigError, did_you_mean
from unrolled.output import echo
from unrolled.runs.run_folder import RunFolder, find_run

if TYPE_CHECKING:
    from unrolled.explaining.explanation import Explanation

COUNT = Rule((int,), low=1)
RULES = {
    "split": Rule(words=("train", "val", "test"), optional=True),
    "num_sequences": COUNT,
    "num_positions": COUNT._replace(low=2),
    "num_examples": Rule((int,), low=0, high=50),
}


def run(arguments: list[str]) -> None:
    """Measure, write the results and the page, and print a line per measure.

    Raises:
        UnrolledError: there is no such run, a setting is wrong, or the data is missing.
    """
    typed, words = take_all(arguments, ("run", "root"))
    settings = _settings(words, keys=("run", "root", *RULES))
    if typed["run"] is None:
        raise ConfigError("explain needs run=DIR or run=latest; `unrolled list` shows runs")
    _explain(find_run(typed["run"], root=Path(typed["root"] or "outputs")), settings)


def explain_here(folder: RunFolder, words: Sequence[str]) -> "Explanation":
    """Do the same with the arrays that are held, if the run was trained on arrays.

    words: settings, such as ["num_sequences=500"].

    Raises:
        UnrolledError: a setting is wrong, or the data is not the one of the run.
    """
    return _explain(folder, _settings(words, keys=tuple(RULES)))


def _explain(folder: RunFolder, settings: dict[str, Any]) -> "Explanation":
    is_on_arrays = holds_arrays(folder.config())
    if is_on_arrays and not are_held():
        raise ConfigError(
            f"run={folder.path}: the run was trained on arrays, which are not stored; type "
            f'unrolled.explain("{folder.path}", data=(x, y)) in Python, with the arguments that '
            "unrolled.train had"
        )
    if are_held() and not is_on_arrays:
        raise ConfigError(f"{folder.path}: the run was not trained on arrays; leave out data=")
    first = folder.folds[0] if folder.folds else folder
    first.require_best_checkpoint()
    from unrolled.explaining.explanation import write_explanation
    from unrolled.explaining.measuring import explain
    from unrolled.explaining.sentences import sentences
    from unrolled.reports.pages.run_page import write_run_page

    found = explain(folder, **settings)
    write_explanation(folder, found)
    for line in sentences(found):
        echo(line)
    echo(f"page: {write_run_page(folder, folder.path)}")
    return found


def _settings(words: Sequence[str], *, keys: Sequence[str]) -> dict[str, Any]:
    """Return the settings of conf/explain.yaml with the typed ones in their place.

    keys: that can be typed, for messages.

    Raises:
        ConfigError: a word is no setting, or its value is wrong.
    """
    typed, rest = take_all(list(words), tuple(RULES))
    if rest:
        hint = did_you_mean(rest[0].partition("=")[0], keys)
        places = "run=DIR, " if "run" in keys else ""
        raise ConfigError(f"{rest[0]}: explain takes {places}{', '.join(RULES)}{hint}")
    settings = parse_plain((CONF / "explain.yaml").read_text(encoding="utf-8"))
    for key, rule in RULES.items():
        text = typed[key]
        if text is None:
            continue
        try:
            value = parse_plain(text)
        except ValueError:
            value = text
        if rule.broken_by(value):
            raise ConfigError(
                f"{key}={text}: need {rule}{did_you_mean(text, map(str, rule.words))}"
            )
        settings[key] = value
    return dict(settings)
