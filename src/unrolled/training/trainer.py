"""Builds the classifier, the callbacks, the loggers and the Trainer that a config describes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from unrolled.building.data import load_data
from unrolled.building.ensemble import Ensemble
from unrolled.building.instantiation import make
from unrolled.building.network import build_network, load_weights, trained_model
from unrolled.callbacks.batch_seed import BatchSeed
from unrolled.callbacks.checkpoint import BestAndLast
from unrolled.callbacks.checkpoint_io import DurableCheckpointIO
from unrolled.callbacks.exact_resume import ExactResume
from unrolled.callbacks.finite import StopNotFinite
from unrolled.callbacks.step_budget import StepBudget
from unrolled.callbacks.stop_signals import StopSignals
from unrolled.callbacks.throughput import Throughput
from unrolled.callbacks.watchdog import watching
from unrolled.classifier.ensemble import EnsembleClassifier
from unrolled.classifier.module import SequenceClassifier
from unrolled.config.values import resolve
from unrolled.data.module import SequenceDataModule
from unrolled.errors import ConfigError
from unrolled.runs.preparations import distinct_preprocessing
from unrolled.runs.run_folder import RunFolder
from unrolled.training.process import seed_everything

log = logging.getLogger(__name__)


@dataclass
class Experiment:
    """The parts of a run, and the callbacks that are read when it ends.

    checkpoint: holds the best scores, and the callbacks for signals and non-finite numbers.
    """

    data: SequenceDataModule
    classifier: SequenceClassifier
    trainer: Trainer
    checkpoint: BestAndLast
    throughput: Throughput
    resume: ExactResume


def build(config: DictConfig, folder: RunFolder, *, first_step: int = 0) -> Experiment:
    """Load the data, and build the classifier with fresh weights and the Trainer.

    first_step: from which a resumed run logs scores again; 0 for a new run.

    Raises:
        ConfigError: a setting is invalid.
        DataError: the data cannot be loaded, or no classifier can be trained on it.
    """
    with watching(OmegaConf.select(config, "callbacks.watchdog.minutes")):
        data = load_data(config)
    identity = resolve(config)
    if data.parts.val is None and "monitor" in config.scheduler:
        raise ConfigError(
            "scheduler.monitor: the data has no validation set; hold one out with data.val_size=0.1"
        )
    for key, metric in _monitors(config).items():
        if "/vote_" in metric and not data.averages_windows:
            raise ConfigError(
                f"{key}={metric} averages the windows of a recording, but the data has none; set "
                "data.window.size=STEPS, with one label per recording"
            )
    config = with_length(config, data)
    seed_everything(config.seed)
    classifier = build_classifier(
        config,
        num_features=data.num_features,
        num_words=data.num_words,
        num_steps=data.num_steps,
        num_classes=data.num_classes,
        class_weights=_class_weights(config.loss.class_weights, data),
    )
    classifier.averages_windows = data.averages_windows
    classifier.repeated_ids = data.repeated_ids
    signals, finite, throughput = StopSignals(), StopNotFinite(), Throughput()
    resume = ExactResume(identity={**identity, "data_fingerprint": data.fingerprint})
    checkpoint = BestAndLast(
        monitor=config.monitor.metric,
        mode=config.monitor.mode,
        every_minutes=config.checkpoint.every_minutes,
        every_n_steps=config.checkpoint.every_n_steps,
        min_seconds=config.checkpoint.min_seconds,
        finite=finite,
        signals=signals,
    )
    callbacks = _callbacks(config, validates=data.parts.val is not None)
    has_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
    if not has_bar and config.trainer.max_epochs in (None, -1):
        config = config.copy()
        config.trainer.enable_progress_bar = False  # Lightning's bar shows such epochs as 39/-2
    trainer = build_trainer(
        config,
        folder,
        callbacks=[
            resume,
            signals,
            BatchSeed(seed=config.seed),
            throughput,
            finite,
            *callbacks,
            *([StepBudget()] if config.trainer.max_steps >= 0 else []),
            checkpoint,
        ],
        loggers=_loggers(config, folder, first_step=first_step),
    )
    return Experiment(data, classifier, trainer, checkpoint, throughput, resume)


def _monitors(config: DictConfig) -> dict[str, str]:
    """Return the scores that decide something in a run, by key."""
    nodes = {f"callbacks.{name}": node for name, node in (config.callbacks or {}).items() if node}
    nodes["scheduler"] = config.scheduler
    found = {
        f"{key}.monitor": str(node.monitor) for key, node in nodes.items() if "monitor" in node
    }
    return {"monitor.metric": config.monitor.metric, **found}


def build_classifier(
    config: DictConfig,
    *,
    num_features: int,
    num_steps: int,
    num_classes: int,
    class_weights: Tensor | None,
    num_words: Sequence[int] = (),
) -> SequenceClassifier:
    """Return the classifier with fresh weights; for the arguments see `build_network`.

    class_weights: weight of each class in the training loss, (c,), or None for equal ones.

    Raises:
        ConfigError: a setting is invalid, or no network fits model.parameter_budget.
    """
    network = build_network(
        config,
        num_features=num_features,
        num_words=num_words,
        num_steps=num_steps,
        num_classes=num_classes,
    )
    return SequenceClassifier(
        network=network,
        num_classes=num_classes,
        class_weights=class_weights,
        label_smoothing=config.loss.label_smoothing,
        mixup=config.loss.mixup,
        make_optimizer=make(config, "optimizer"),
        make_schedule=make(config, "scheduler"),
    )


def with_length(config: DictConfig, data: SequenceDataModule) -> DictConfig:
    """Return the config with the length of the run that `recipe=small` computes, where it is null.

    A typed trainer.max_epochs or trainer.max_steps is kept. The run ends when either is reached.
    """
    computed = data.small_recipe
    if config.trainer.max_steps is not None:
        return config
    config = config.copy()
    config.trainer.max_steps = computed.max_steps
    length = computed.length
    if config.trainer.max_epochs is None:
        config.trainer.max_epochs = computed.max_epochs
    else:
        length = f"trainer.max_epochs={config.trainer.max_epochs} of {length}"
    sizes = data.parts.sizes()
    log.info(
        "recipe=small: %s %s, %s, stride %d, pool %d",
        f"{sizes['train'] + sizes['val']:,}",
        data.noun,
        length,
        computed.stride,
        computed.pool,
    )
    return config


def build_trainer(
    config: DictConfig, folder: RunFolder, *, callbacks: list[Callback], loggers: list[Logger]
) -> Trainer:
    """Return Lightning's Trainer.

    Raises:
        ConfigError: config.trainer asks for a GPU, and torch finds none.
    """
    if config.trainer.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ConfigError(
            "trainer.accelerator=gpu: torch finds no GPU; use trainer=cpu or trainer=auto"
        )
    if config.trainer.max_steps is None:  # nothing is trained
        config = config.copy()
        config.trainer.max_steps = -1
    trainer: Trainer = make(
        config,
        "trainer",
        callbacks=callbacks,
        logger=loggers,
        plugins=[DurableCheckpointIO()],
        default_root_dir=str(folder.path),
    )
    return trainer


def quiet_trainer(config: DictConfig, folder: RunFolder) -> Trainer:
    """Return a Trainer for evaluation, without a progress bar."""
    config = config.copy()
    config.trainer.enable_progress_bar = False
    return build_trainer(config, folder, callbacks=[], loggers=[])


def load_classifier(config: DictConfig, folder: RunFolder) -> SequenceClassifier:
    """Return the classifier of a run with the weights of its best checkpoint, on the CPU."""
    preprocessing = folder.preprocessing()
    classifier = build_classifier(
        config,
        num_features=preprocessing["num_features"],
        num_words=preprocessing.get("num_words", []),
        num_steps=preprocessing["num_steps"],
        num_classes=len(preprocessing["class_names"]),
        class_weights=None,
    )
    load_weights(classifier.network, folder.best_state_dict())
    classifier.temperature = folder.temperature()
    return classifier.eval()


def load_ensemble(folder: RunFolder, *, data: SequenceDataModule) -> EnsembleClassifier:
    """Return the models of a run with the weights of their best checkpoints, on the CPU.

    They are not calibrated.

    data: on which they will be evaluated.
    The dataloaders are the distinct preparations of `runs.preparations`, in the same order.
    """
    _, input_numbers = distinct_preprocessing(folder.networks)
    models = [
        trained_model(part.config(), part.preprocessing(), part.best_state_dict())
        for part in folder.networks
    ]
    ensemble = Ensemble(models, input_numbers=input_numbers, temperature=None)
    return EnsembleClassifier(
        ensemble, averages_windows=data.averages_windows, repeated_ids=data.repeated_ids
    ).eval()


def _loggers(config: DictConfig, folder: RunFolder, *, first_step: int) -> list[Logger]:
    """Return the loggers. One whose config has the key `purge_step` drops the steps from it on."""
    made: list[Logger] = []
    for name, node in config.logger.items():
        purge = {"purge_step": first_step or None} if "purge_step" in node else {}
        made.append(
            make(
                config.logger,
                str(name),
                kind=f"logger.{name}",
                save_dir=str(folder.path),
                **purge,
            )
        )
    return made


def _callbacks(config: DictConfig, *, validates: bool) -> list[Callback]:
    validates = validates and config.trainer.limit_val_batches != 0
    made: list[Callback] = []
    for name, node in (config.callbacks or {}).items():
        if node is None:
            continue
        if str(node.get("monitor", "")).startswith("val/") and not validates:
            if config.data.val_size is not None:  # null: a small set is expected to have none
                log.warning("callbacks.%s is skipped: there is no validation", name)
        else:
            made.append(make(config.callbacks, str(name), kind=f"callbacks.{name}"))
    if not config.trainer.enable_progress_bar:  # Lightning then refuses a progress bar
        made = [callback for callback in made if not isinstance(callback, ProgressBar)]
    return made


def _class_weights(setting: Any, data: SequenceDataModule) -> Tensor | None:
    """Return the weights of the classes: None, the given numbers, or n / (c * count) if balanced.

    setting: null, balanced or one number > 0 per class.

    Raises:
        ConfigError: the setting is something else.
    """
    if setting is None:
        return None
    if setting == "balanced":
        counts = torch.bincount(data.parts.train.y, minlength=data.num_classes)
        return len(data.parts.train) / (data.num_classes * counts.clamp(min=1).float())
    if OmegaConf.is_list(setting):
        numbers = list(setting)
        if len(numbers) == data.num_classes and all(
            isinstance(n, int | float) and n > 0 for n in numbers
        ):
            return torch.tensor(numbers, dtype=torch.float32)
    raise ConfigError(
        f"loss.class_weights={setting}: need null, balanced or {data.num_classes} numbers > 0, "
        "one per class"
    )
