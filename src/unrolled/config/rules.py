"""The allowed values of each key, as rules that need no torch."""

import re
from typing import Any, NamedTuple

from unrolled.config import choices


class Rule(NamedTuple):
    """The values that a key may have.

    types: of numbers and flags; `list` allows any list.
    low, high: range of a number; whether the ends are allowed is low_allowed and high_allowed.
    words: further values that are allowed.
    pattern: regular expression of further words, with an example of one.
    optional: whether null is allowed.
    each: whether the value is a list, each item of which obeys the rule.
    """

    types: tuple[type, ...] = ()
    low: float = float("-inf")
    high: float = float("inf")
    low_allowed: bool = True
    high_allowed: bool = True
    words: tuple[str | int, ...] = ()
    optional: bool = False
    pattern: str = "(?!)"
    example: str = ""
    each: bool = False

    def broken_by(self, value: Any) -> bool:
        """Return whether the value is not allowed."""
        if value is None:
            return not self.optional
        if self.each:
            one = self._replace(each=False, optional=False)
            return not isinstance(value, list) or not value or any(map(one.broken_by, value))
        if isinstance(value, list):
            return list not in self.types
        if isinstance(value, bool):
            return bool not in self.types
        if value in self.words:
            return False
        if isinstance(value, str):
            return not re.fullmatch(self.pattern, value)
        if not isinstance(value, int | float) or not isinstance(value, self.types):
            return True
        too_low = value < self.low or (value == self.low and not self.low_allowed)
        too_high = value > self.high or (value == self.high and not self.high_allowed)
        return too_low or too_high or value != value

    def __str__(self) -> str:
        allowed = list(dict.fromkeys(map(str, self.words)))
        if self.example:
            allowed.append(f"a value such as {self.example}")
        if bool in self.types:
            allowed += ["true", "false"]
        elif self.types:
            allowed.append(self._number())
        if list in self.types:
            allowed.append("a list")
        if self.each:
            allowed = [f"a list, each item {_joined(allowed)}"]
        return _joined([*allowed, "null"] if self.optional else allowed)

    def _number(self) -> str:
        text = "a whole number" if float not in self.types else "a number"
        if self.low > float("-inf"):
            text += f" {'>=' if self.low_allowed else '>'} {self.low:g}"
        if self.high < float("inf"):
            joint = " and" if self.low > float("-inf") else ""
            text += f"{joint} {'<=' if self.high_allowed else '<'} {self.high:g}"
        return text


def _joined(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[:-1] else words)


NUMBER = (int, float)
COUNT = Rule((int,), low=1)
NATURAL = Rule((int,), low=0)
SEED = Rule((int,), low=0, high=2**63 - 1)
FRACTION = Rule(NUMBER, low=0, high=1, high_allowed=False)
SHARE = Rule(NUMBER, low=0, high=1)
POSITIVE = Rule(NUMBER, low=0, low_allowed=False)
NOT_NEGATIVE = Rule(NUMBER, low=0)
FLAG = Rule((bool,))
LENGTH = Rule((int,), low=1, words=(-1,), optional=True)  # of a run; -1: no limit
BATCHES = Rule(NUMBER, low=0, optional=True)  # a share <= 1.0 or a count
SOME_BATCHES = BATCHES._replace(low_allowed=False)
DURATION = Rule(pattern=r"\d+:\d+:\d+:\d+", example="00:12:00:00", optional=True)


def _words(words: tuple[str | int, ...]) -> Rule:
    return Rule(words=words)


def _or_null(rule: Rule) -> Rule:
    return rule._replace(optional=True)


RULES = {
    "seed": SEED,
    "ensemble": Rule((int, list), low=1, optional=True),
    "num_threads": _or_null(COUNT._replace(high=1024)),
    "keep_memory": FLAG,
    "test": FLAG,
    "monitor.metric": _words(choices.METRICS),
    "monitor.mode": _words(choices.MONITOR_MODES),
    "checkpoint.min_seconds": NOT_NEGATIVE,
    "checkpoint.every_minutes": _or_null(POSITIVE),
    "checkpoint.every_n_steps": _or_null(COUNT),
    "sweep.keep": _words(choices.KEEP),
    "sweep.fail_fast": FLAG,
    "sweep.num_trials": COUNT,
    "sweep.seed": SEED,
    "sweep.startup_trials": NATURAL,
    "sweep.trials_at_once": COUNT,
    "data.layout": _words(choices.LAYOUTS),
    "data.permutation": SEED._replace(words=choices.PERMUTATIONS),
    "data.pixels_per_step": COUNT,
    "data.max_length": _or_null(COUNT),
    "data.truncate": _words(choices.TRUNCATION_ENDS),
    "data.split": _words(choices.SPLITS),
    "data.split_seed": SEED,
    "data.val_size": _or_null(NOT_NEGATIVE),
    "data.test_size": _or_null(NOT_NEGATIVE),
    "data.fold": _or_null(NATURAL),
    "data.test_fold": _or_null(NATURAL)._replace(words=("all",)),
    "data.num_folds": Rule((int,), low=2),
    "data.refit": FLAG,
    "data.standardize": _words(choices.STANDARDIZE_MODES),
    "data.per_sequence": FLAG,
    "data.differences": FLAG,
    "data.level_and_scale": FLAG,
    "data.causal": FLAG,
    "data.noise_steps": NATURAL,
    "data.noise_seed": SEED,
    "data.window.size": _or_null(COUNT),
    "data.window.stride": _or_null(COUNT),
    "data.window.label": _words(choices.WINDOW_LABELS),
    "data.baselines": FLAG,
    "data.batch_size": _or_null(COUNT),
    "data.eval_batch_size": COUNT,
    "data.drop_last": FLAG,
    "data.shuffle": FLAG,
    "data.bucket_batches": COUNT,
    "data.curriculum_epochs": NATURAL,
    "data.device_share": SHARE,
    "data.recipe.max_epochs": LENGTH,
    "data.form": _or_null(_words(choices.FORMS)),
    "data.time_feature": FLAG,
    "data.resample": _or_null(POSITIVE)._replace(
        pattern=r"(\d+(\.\d+)?\s*[A-Za-z]+\s*)+", example="10s"
    ),
    "data.embedding": _or_null(COUNT),
    "data.header": _or_null(FLAG),
    "data.decimal": _or_null(_words(choices.DECIMAL_SIGNS)),
    "data.missing": _words(choices.MISSING_MODES),
    "data.source.seed": SEED,
    "data.source.redraw": FLAG,
    "data.source.num": COUNT,
    "data.source.num_train": COUNT,
    "data.source.num_val": COUNT,
    "data.source.num_test": COUNT,
    "data.source.num_steps": COUNT,
    "data.source.num_features": COUNT,
    "data.source.num_classes": Rule((int,), low=2),
    "data.source.num_tokens": COUNT,
    "data.source.num_kinds": COUNT,
    "data.source.min_steps": COUNT,
    "data.source.max_steps": COUNT,
    "data.source.test_min_steps": COUNT,
    "data.source.test_max_steps": COUNT,
    "model.hidden_size": COUNT,
    "model.parameter_budget": _or_null(COUNT)._replace(pattern=r"\d+(\.\d+)?[kM]", example="70k"),
    "model.num_layers": COUNT,
    "model.dropout": FRACTION,
    "model.bidirectional": FLAG,
    "model.learn_initial_state": FLAG,
    "model.initialization": _words(("torch", "orthogonal", "identity", "irnn")),
    "model.layer.nonlinearity": _words(("tanh", "relu")),
    "model.chrono_steps": Rule((int,), low=3, optional=True),
    "model.layer.forget_bias": Rule(NUMBER, optional=True),
    "model.residual": FLAG,
    "model.mixing": FLAG,
    "model.conv_size": NATURAL,
    "model.recurrent_lr_scale": POSITIVE,
    "model.num_heads": COUNT,
    "model.layer.num_heads": COUNT,
    "model.kernel_size": Rule((int,), low=2),
    "model.kernel_sizes": COUNT._replace(each=True),
    "model.layer.state_size": COUNT,
    "model.layer.memory_size": COUNT,
    "model.layer.order": COUNT,
    "model.layer.window": _or_null(POSITIVE),
    "model.layer.dt": POSITIVE,
    "model.layer.dt_min": POSITIVE,
    "model.layer.dt_max": POSITIVE,
    "model.layer.gamma": POSITIVE,
    "model.layer.epsilon": POSITIVE,
    "model.layer.amplification": POSITIVE,
    "model.layer.last_u_min": NOT_NEGATIVE,
    "model.layer.r_min": FRACTION,
    "model.layer.r_max": FRACTION._replace(low_allowed=False),
    "model.layer.max_phase": POSITIVE,
    "model.num_features": Rule((int,), low=84),
    "model.recipe.lr": POSITIVE,
    "model.recipe.weight_decay": NOT_NEGATIVE,
    "model.recipe.gradient_clip_val": _or_null(NOT_NEGATIVE),
    "stem.channels": COUNT,
    "stem.stride": _or_null(COUNT),
    "stem.pool": _or_null(COUNT),
    "stem.causal": FLAG,
    "head.dropout": FRACTION,
    "head.initialization": _words(("small", "torch")),
    "head.attention_size": COUNT,
    "head.num_steps": COUNT,
    "head.stride": COUNT,
    "loss.label_smoothing": FRACTION,
    "loss.mixup": NOT_NEGATIVE,
    "recipe.lr": POSITIVE,
    "recipe.weight_decay": NOT_NEGATIVE,
    "recipe.gradient_clip_val": _or_null(NOT_NEGATIVE),
    "recipe.max_epochs": LENGTH,
    "recipe.max_steps": LENGTH,
    "recipe.batch_size": _or_null(COUNT),
    "recipe.val_size": _or_null(NOT_NEGATIVE),
    "recipe.test_size": _or_null(NOT_NEGATIVE),
    "recipe.hidden_size": COUNT,
    "recipe.warmup": FRACTION,
    "recipe.label_smoothing": FRACTION,
    "recipe.mixup": NOT_NEGATIVE,
    "recipe.per_sequence": FLAG,
    "recipe.differences": FLAG,
    "recipe.level_and_scale": FLAG,
    "recipe.causal": FLAG,
    "recipe.drop_last": FLAG,
    "recipe.bucket_batches": COUNT,
    "optimizer.lr": POSITIVE,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "optimizer.betas": FRACTION._replace(each=True),
    "optimizer.alpha": SHARE,
    "optimizer.momentum": NOT_NEGATIVE,
    "optimizer.nesterov": FLAG,
    "scheduler.warmup": FRACTION,
    "scheduler.final_factor": SHARE,
    "scheduler.factor": POSITIVE,
    "scheduler.patience": NATURAL,
    "scheduler.drops": FRACTION._replace(low_allowed=False, each=True),
    "scheduler.mode": _words(choices.MONITOR_MODES),
    "trainer.accelerator": _words(choices.ACCELERATORS),
    "trainer.devices": Rule((int, list), low=-1, words=("auto",), pattern=r"\d+(,\d+)*,?"),
    "trainer.num_nodes": COUNT,
    "trainer.precision": _words(choices.PRECISIONS),
    "trainer.max_epochs": LENGTH,
    "trainer.min_epochs": _or_null(NATURAL),
    "trainer.max_steps": LENGTH,
    "trainer.min_steps": _or_null(NATURAL),
    "trainer.max_time": DURATION,
    "trainer.accumulate_grad_batches": COUNT,
    "trainer.gradient_clip_val": _or_null(NOT_NEGATIVE),
    "trainer.gradient_clip_algorithm": _words(choices.CLIP_ALGORITHMS),
    "trainer.check_val_every_n_epoch": _or_null(COUNT),
    "trainer.val_check_interval": SOME_BATCHES._replace(
        pattern=DURATION.pattern, example=DURATION.example
    ),
    "trainer.num_sanity_val_steps": Rule((int,), low=-1),
    "trainer.limit_train_batches": SOME_BATCHES,
    "trainer.limit_val_batches": BATCHES,
    "trainer.limit_test_batches": BATCHES,
    "trainer.log_every_n_steps": NATURAL,
    "trainer.enable_progress_bar": FLAG,
    "trainer.enable_model_summary": FLAG,
    "trainer.deterministic": _or_null(FLAG)._replace(words=("warn",)),
    "trainer.benchmark": _or_null(FLAG),
    "trainer.inference_mode": FLAG,
    "trainer.use_distributed_sampler": FLAG,
    "trainer.detect_anomaly": FLAG,
    "trainer.profiler": _or_null(_words(choices.PROFILERS)),
    "trainer.profiler.max_rows": COUNT,
    "callbacks.progress.style": _words(choices.PROGRESS_STYLES),
    "callbacks.progress.max_lines": COUNT,
    "callbacks.early_stopping.patience": NATURAL,
    "callbacks.early_stopping.min_delta": NOT_NEGATIVE,
    "callbacks.early_stopping.mode": _words(choices.MONITOR_MODES),
    "callbacks.early_stopping.check_finite": FLAG,
    "callbacks.watchdog.minutes": POSITIVE,
    "callbacks.pruning.startup_trials": NATURAL,
    "callbacks.pruning.warmup_epochs": NATURAL,
    "logger.tensorboard.default_hp_metric": FLAG,
    "logger.wandb.offline": FLAG,
    "logger.wandb.log_model": FLAG._replace(words=("all",)),
}
