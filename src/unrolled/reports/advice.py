"""Lines below the scores of a run: a better baseline, and losses that cannot be compared."""

from omegaconf import DictConfig, OmegaConf

from unrolled.config.values import is_fitted, model_name
from unrolled.runs.result import Result

MINIROCKET = "MiniRocket"
MIXED = "[gru,gru,gru,minirocket]"
SIGNIFICANCE = 0.05  # largest p-value of a difference that is reported


def loss_note(result: Result, *, config: DictConfig) -> str:
    """Return a line if the training loss is another function than the other losses, or ""."""
    loss = config.loss
    parts = {
        "mixup": loss.mixup,
        "label smoothing": loss.label_smoothing,
        "class weights": loss.class_weights,
    }
    used = [name for name, value in parts.items() if value]
    losses = [result.scores.get(f"{split}/loss") for split in ("val", "test")]
    if not used or result.scores.get("train/loss") is None or losses == [None, None]:
        return ""
    return (
        f"the training loss includes {' and '.join(used)}, so it cannot be compared with the other "
        "losses"
    )


def advice(result: Result, *, config: DictConfig) -> str:
    """Return a line if 1-NN or MiniRocket is better than the model of the run, or "".

    A difference that chance explains is left out: the line needs p < 0.05 in an exact sign test
    (McNemar) on the sequences that only one of both classifies correctly.
    """
    found = [(result.scores.get("test/accuracy"), result.baselines, result.baseline_pairs)]
    if (folds := result.cross_validation) is not None:
        found.append((folds.mean.get("accuracy"), folds.baselines, folds.baseline_pairs))
    for accuracy, baselines, pairs in found:
        better = [
            name
            for name, (only_baseline, only_model) in pairs.items()
            if only_baseline > only_model
            and name != model_name(config)
            and _p_value(only_baseline, only_model) < SIGNIFICANCE
        ]
        if accuracy is not None and better:
            best = max(better, key=lambda name: baselines[name])
            points = 100 * (baselines[best] - accuracy)
            if points > 0:
                return f"{best} is {points:.1f} points better than this {_remedies(best, config)}"
    return ""


def _p_value(only_baseline: int, only_model: int) -> float:
    from scipy.stats import binomtest  # late: most runs do without

    return float(binomtest(only_baseline, only_baseline + only_model).pvalue)


def _remedies(best: str, config: DictConfig) -> str:
    ensemble = config.ensemble
    if is_fitted(config) and not OmegaConf.is_list(ensemble):
        return "model"
    is_mixed = OmegaConf.is_list(ensemble) and "minirocket" in ensemble
    options = [] if (config.get("recipe") or {}).get("max_steps", "") is None else ["recipe=small"]
    if best == MINIROCKET:
        options += ["model=minirocket"] + ([] if is_mixed else [f"ensemble={MIXED}"])
    else:
        options += ([] if ensemble else ["ensemble=5"]) + ["model=minirocket"]
    return f"network: try {', or '.join(options[:2])}"
