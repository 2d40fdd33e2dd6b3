"""The prepared sequences of a source, divided into parts."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from unrolled.contracts import Sequences, Source, SourceData
from unrolled.data.fingerprint import fingerprint
from unrolled.data.fitted import Fitted
from unrolled.data.leaks import leak_warnings
from unrolled.data.parts import Parts, baselines
from unrolled.data.preparation import Preparation
from unrolled.data.repeats import repeated
from unrolled.data.sanity_checks import SPLIT_NAMES, check_source
from unrolled.data.selection import Selection
from unrolled.errors import ConfigError
from unrolled.memory import memory_for
from unrolled.small_recipe import SmallRecipe, small_recipe

log = logging.getLogger(__name__)

FEWER = "use fewer sequences, or shorter ones with data.max_length=STEPS"


def sizes_text(sizes: Mapping[str, int]) -> str:
    """Return the sizes of the parts as text, for example `96 train, 0 val, 24 test`."""
    return ", ".join(f"{size:,} {name}" for name, size in sizes.items())


def _groups(parts: Parts[Selection], names: Mapping[int, str]) -> dict[str, list[str]]:
    """Return the names of the groups of each part."""
    return {
        name: [] if part is None else sorted({names[row] for row in part.ids.tolist()})
        for name, part in (("train", parts.train), ("val", parts.val), ("test", parts.test))
    }


class PreparedData:
    """The sequences of one source, prepared for a network.

    source: where the sequences come from.
    preparation: layout, split and preprocessing.
    """

    def __init__(self, *, source: Source, preparation: Preparation) -> None:
        self.source = source
        self.preparation = preparation
        self.fitted: Fitted | None = None  # set it before `setup` to use the values of a run
        self.loaded: SourceData | None = None  # set it before `setup` if the source has loaded
        self.names: Sequence[str] | None = None  # of the training sequences of the source
        self.baselines: dict[str, float] = {}  # test accuracy of classifiers without training
        self.averages_windows = False  # whether the windows of a recording have one label
        self.fingerprint = ""
        self.warnings: list[str] = []  # about the sequences, for whoever trains on them
        self.groups: dict[str, list[str]] = {}  # names of the groups in each part, if there are any
        self.num_repeated: dict[str, int] = {}  # sequences of val and test that are in another part
        self.repeated_ids = torch.zeros(0, dtype=torch.long)  # of the ones in test
        self._parts: Parts[Sequences] | None = None
        self._divided: Parts[Selection] | None = None  # before preprocessing, if channels are added
        self.redraw: Callable[[int], Sequences] | None = None  # new training sequences for an epoch

    def prepare_data(self) -> None:
        """Let the source fetch its files, once per machine."""
        self.source.prepare()

    @memory_for("the data", remedy=FEWER)
    def setup(self, stage: str | None = None) -> None:
        """Load, check, lay out, split and preprocess the sequences, once.

        If `fitted` is None, it is fitted on the training set. Otherwise its values are used.

        Raises:
            DataError: the data cannot be trained on; the message names set, row and column.
        """
        if self._parts is not None:
            return
        window = self.preparation.window
        data = self.load_source() if self.loaded is None else self.loaded
        check_source(data)
        self.names = data.names
        self.class_names = list(data.class_names)
        self.fingerprint = fingerprint(data)
        rows = self.preparation.division.assign(data)
        if data.fit_features is not None and self.fitted is None:
            data = data.fit_features(rows.train)
        parts = self.preparation.divide(data, rows)
        if data.redraw is None:
            self._find_repeated(parts)
        if data.group_names is not None:
            self.groups = _groups(parts, data.group_names)
        if self.fitted is None:
            self._find_leaks(parts.train, data)
            self.fitted = self.preparation.fit(parts.train, data)
        self._parts = self.preparation.finish(parts, self.fitted)
        if self.fitted.channels is not None:
            self._divided = parts
        if data.redraw is not None:
            if len(parts.train) != len(data.train):
                raise ConfigError(
                    "data.source.redraw=true: the source must provide the validation and test "
                    "set, because new sequences cannot be split like the first ones; set "
                    "data.val_size=0, data.test_size=0, data.fold=null and data.test_fold=null"
                )
            self.redraw = partial(self.preparation.redrawn, redraw=data.redraw, fitted=self.fitted)
        if window.size is not None:
            self.averages_windows = all(part.step_y is None for part in data.parts().values())
            log.info("windows of %s recordings", sizes_text(parts.sizes()))
        self.baselines = baselines(self._parts, data)

    def _find_leaks(self, train: Selection, data: SourceData) -> None:
        """Warn of features that give the label away, if the layout keeps features."""
        if data.features is not None and self.preparation.layout == "rows":
            self.warnings += leak_warnings(train, data.features)

    def _find_repeated(self, parts: Parts[Selection]) -> None:
        """Count the sequences that have the same values as one of a set used earlier, and warn."""
        named = {"train": parts.train, "val": parts.val, "test": parts.test}
        given = {name: part for name, part in named.items() if part is not None}
        for (name, part), found in zip(given.items(), repeated([*given.values()]), strict=True):
            if name == "train":
                continue
            self.num_repeated[name] = int(found.sum())
            if name == "test":
                self.repeated_ids = part.ids[found]
            if found.any():
                with_val = name == "test" and parts.val is not None
                of = "training or validation set" if with_val else "training set"
                self.warnings.append(
                    f"{int(found.sum())} of {len(part)} sequences of the {SPLIT_NAMES[name]} have "
                    f"the same values as a sequence of the {of}"
                )

    def log_warnings(self) -> None:
        """Log the warnings about the sequences."""
        for text in self.warnings:
            log.warning("%s", text)

    @memory_for("the data", remedy=FEWER)
    def load_source(self) -> SourceData:
        """Return the raw sequences of the source."""
        if self.fitted is not None and self.fitted.schema is not None:
            self.source.use_schema(self.fitted.schema)
        if self.preparation.window.labels_may_change:
            self.source.allow_label_changes()
        return self.source.load()

    def preprocessing(self) -> dict[str, Any]:
        """Return plain values for preprocessing.json: sizes, and what was fitted."""
        assert self.fitted is not None, "setup comes first"
        return {
            "num_features": self.num_features,
            "num_steps": self.num_steps,
            **self.fitted.to_plain(),
        }

    @property
    def parts(self) -> Parts[Sequences]:
        """The parts after `setup`."""
        assert self._parts is not None, "setup comes first"
        return self._parts

    def parts_without_channels(self) -> Parts[Sequences]:
        """Return the parts as they are before channels are added to the features."""
        if self._divided is None:
            return self.parts
        assert self.fitted is not None
        return self.preparation.finish(self._divided, replace(self.fitted, channels=None))

    @property
    def noun(self) -> str:
        """What the parts consist of: sequences, or windows of recordings."""
        return "sequences" if self.preparation.window.size is None else "windows"

    @property
    def has_channels(self) -> bool:
        """Whether channels were added to the features."""
        return self._divided is not None

    @property
    def num_features(self) -> int:
        """Features per step (d), with added channels."""
        return self.parts.train.x.shape[2]

    @property
    def num_words(self) -> list[int]:
        """Known words of each of the last features that are codes of words."""
        assert self.fitted is not None, "setup comes first"
        return self.fitted.num_words

    @property
    def num_steps(self) -> int:
        """Steps of the longest training sequence (t)."""
        return int(self.parts.train.lengths.max())

    @property
    def small_recipe(self) -> SmallRecipe:
        """What `recipe=small` computes for the training and validation set."""
        sizes = self.parts.sizes()
        return small_recipe(sizes["train"] + sizes["val"], self.num_steps)

    @property
    def num_classes(self) -> int:
        """Classes (c)."""
        return len(self.class_names)
