"""From the raw sequences of a source to what a network reads: layout and preprocessing.

Every step works in double precision on blocks of sequences (`Selection.blocks`). The last one
returns single precision. Training, prediction and streaming compute the same numbers.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from unrolled.contracts import Sequences, SourceData, real_steps
from unrolled.data.channels import Channels, ChannelSettings
from unrolled.data.fitted import Fitted
from unrolled.data.layouts import lay_out, require_equal_lengths
from unrolled.data.missing import Filling
from unrolled.data.moments import Moments
from unrolled.data.noise_tail import append_noise
from unrolled.data.parts import Division, Parts, Rows
from unrolled.data.ranges import Ranges
from unrolled.data.selection import Selection, joined
from unrolled.data.standardization import Standardization
from unrolled.data.truncation import truncate
from unrolled.data.windows import Windows
from unrolled.errors import DataError
from unrolled.seeding import mix

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How the sequences of a source become the input of a network.

    The fields are the keys of the same names in conf/data/_module.yaml.

    layout: rows, columns, pixels or permuted; see `lay_out`.
    permutation: the order of the pixels for layout=permuted; see `layouts.permutation`.
    pixels_per_step: features per step for layout=pixels or permuted, >= 1; see `lay_out`.
    max_length: steps that are kept of a longer sequence, >= 1, or None for all.
    truncate: which end of a longer sequence is cut off: head or tail.
    standardize: none, global or feature; see `Standardization.fit`.
    noise_steps: steps of noise that are appended to every sequence, >= 0; see `append_noise`.
    noise_seed: seed of the noise, >= 0.
    division: how the sequences are divided into training, validation and test set.
    channels: which channels are added to the features of each sequence or window.
    window: how recordings are cut into windows. The split comes first, so that all windows of a
        recording are in the same set.
    """

    layout: str
    permutation: int | str
    pixels_per_step: int
    max_length: int | None
    truncate: str
    standardize: str
    noise_steps: int
    noise_seed: int
    division: Division
    channels: ChannelSettings
    window: Windows

    def divide(self, data: SourceData, rows: Rows) -> Parts[Selection]:
        """Return the raw sequences of each part.

        rows: see `Division.assign`.

        Raises:
            DataError: lengths or labels do not allow the layout.
        """
        for part in data.parts().values():
            self._check_layout(part)
        return rows.select(data)

    def fit(self, train: Selection, data: SourceData) -> Fitted:
        """Return the values that are fitted on a raw training set.

        data: the source's data, with class names, schema and the mode of filling.
        """
        class_names = list(data.class_names)
        num_codes = len(data.num_words)
        num_features = next(self._laid_out(train)).x.shape[2] - num_codes
        filling = Filling.fit(
            map(_real, self._laid_out(train)),
            mode=data.missing,
            num_features=num_features + num_codes,
            num_codes=num_codes,
        )
        moments = Moments.of(
            without_codes(_real(block, filling), num_codes) for block in self._laid_out(train)
        )
        names = self._feature_names(data, num_features, has_masks=filling.mode == "mask")
        mode = self.standardize if num_features else "none"
        standardization = Standardization.fit(moments, mode=mode, names=names)
        fitted = Fitted(
            class_names=class_names,
            schema=data.schema,
            filling=filling,
            standardization=standardization.with_codes(num_numbers=len(names), num_codes=num_codes)
            if num_codes
            else standardization,
            ranges=Ranges(moments.low[:num_features], moments.high[:num_features]),
            background=self.window.background_of(self._laid_out(train), class_names),
            channels=None,
            num_words=list(data.num_words),
        )
        if not self.channels.adds_any or not num_features:  # channels are standardised once more
            self._warn_of_lost_differences(standardization, moments, names)
            return fitted
        cut = (self._scale_and_cut(block, fitted) for block in self._laid_out(train))
        channels = Channels.fit(
            ((without_codes(block.x, num_codes), block.lengths) for block in cut),
            settings=self.channels,
            num_features=len(names),
            num_masks=len(names) - num_features,
        )
        return replace(fitted, channels=channels)

    def finish(self, parts: Parts[Selection], fitted: Fitted) -> Parts[Sequences]:
        """Return the sets laid out, filled, standardised, in windows and with noise appended."""
        done = parts.changed(lambda part: self._finished(part, fitted))
        return Parts(
            train=self._noisy(done.train, number=0),
            val=None if done.val is None else self._noisy(done.val, number=1),
            test=None if done.test is None else self._noisy(done.test, number=2),
        )

    def redrawn(
        self, epoch: int, *, redraw: Callable[[int], Sequences], fitted: Fitted
    ) -> Sequences:
        """Return the training set of an epoch, prepared like the first one; see `SourceData`."""
        prepared = self._finished(Selection.of_all(redraw(epoch)), fitted)
        return self._noisy(prepared, number=0)

    def apply(self, sequences: Sequences, fitted: Fitted) -> Sequences:
        """Return new sequences truncated, filled, standardised and cut into windows.

        sequences: laid out in time already, in double precision.
        """
        blocks = map(self._truncate, Selection.of_all(sequences).blocks())
        return self._joined(blocks, self._truncated_lengths(sequences.lengths), fitted)

    def _finished(self, part: Selection, fitted: Fitted) -> Sequences:
        if self.layout == "rows":
            lengths = self._truncated_lengths(part.sequences.lengths[part.rows])
        else:  # all have as many steps
            lengths = next(self._laid_out(part)).lengths[:1].expand(len(part))
        return self._joined(self._laid_out(part), lengths, fitted)

    def _joined(
        self, blocks: Iterator[Sequences], lengths: Int[Tensor, " n"], fitted: Fitted
    ) -> Sequences:
        """Return the sequences of blocks that are laid out, ready for the network.

        lengths: of all sequences.
        """
        cut = (self._scale_and_cut(block, fitted) for block in blocks)
        return joined(cut, num_sequences=self.window.num_windows(lengths))

    def _check_layout(self, part: Sequences) -> None:
        if part.step_y is not None and (not self.window.labels_may_change or self.layout != "rows"):
            raise DataError(
                "labels change within sequences; data.window.size=STEPS data.window.label=last, "
                "majority or any (with data.layout=rows) cuts windows that have one"
            )
        num_steps = min(part.x.shape[1], self.max_length or part.x.shape[1])
        lengths = self._truncated_lengths(part.lengths)
        require_equal_lengths(lengths, layout=self.layout, num_steps=num_steps)

    def _laid_out(self, part: Selection) -> Iterator[Sequences]:
        """Yield blocks of the part, truncated and laid out in time."""
        for block in map(self._truncate, part.blocks()):
            x = lay_out(
                block.x,
                layout=self.layout,
                permutation_name=self.permutation,
                pixels_per_step=self.pixels_per_step,
            )
            lengths = block.lengths - block.x.shape[1] + x.shape[1]
            yield replace(block, x=x, lengths=lengths)

    def _truncate(self, sequences: Sequences) -> Sequences:
        return truncate(sequences, max_length=self.max_length, end=self.truncate)

    def _truncated_lengths(self, lengths: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        return lengths if self.max_length is None else lengths.clamp(max=self.max_length)

    def _scale_and_cut(self, sequences: Sequences, fitted: Fitted) -> Sequences:
        background = (
            None if fitted.background is None else fitted.class_names.index(fitted.background)
        )
        scaled = replace(sequences, x=fitted.scale(sequences.x))
        cut = self.window.cut(scaled, background=background)
        if fitted.channels is None:
            return cut
        num_codes = len(fitted.num_words)
        numbers = without_codes(cut.x, num_codes)
        channels = fitted.channels(numbers, cut.lengths)
        codes = cut.x[:, :, numbers.shape[2] :]
        return replace(cut, x=torch.cat([channels, codes], dim=2) if num_codes else channels)

    def _noisy(self, part: Sequences, *, number: int) -> Sequences:
        generator = torch.Generator().manual_seed(mix(self.noise_seed, number))
        return append_noise(part, num_steps=self.noise_steps, generator=generator)

    def _feature_names(self, data: SourceData, num_features: int, *, has_masks: bool) -> list[str]:
        """Return names for messages: of the file if it has some, else numbers."""
        named = None if data.schema is None else data.schema.get("feature_names")
        if named and self.layout == "rows":
            names = list(map(str, named))[:num_features]
        else:
            names = list(map(str, range(num_features)))
        return names + [f"{name} is missing" for name in names] if has_masks else names

    def _warn_of_lost_differences(
        self, standardization: Standardization, moments: Moments, names: Sequence[str]
    ) -> None:
        lost = standardization.lost_features(moments)
        if not lost:
            return
        index = lost[0]
        others = f" (and {len(lost) - 1} other features)" if len(lost) > 1 else ""
        log.warning(
            "data.standardize=%s: feature %r%s has a standard deviation of %.3g at values around "
            "%.7g; the network reads float32, which is too coarse for such differences; type "
            "data.standardize=feature",
            self.standardize,
            names[index],
            others,
            float(moments.deviation[index]),
            float(moments.mean[index]),
        )


def without_codes(x: Shaped[Tensor, "*n d"], num_codes: int) -> Shaped[Tensor, "*n d2"]:
    """Return the features of x except the last ones, which are codes of words."""
    return x[..., : x.shape[-1] - num_codes]


def _real(block: Sequences, filling: Filling | None = None) -> Float[Tensor, "s d"]:
    """Return the real steps of a block, filled if there is a filling."""
    x = block.x if filling is None else filling(block.x)
    if bool((block.lengths == x.shape[1]).all()):
        return x.flatten(0, 1)  # a view
    return x[real_steps(block.lengths, x.shape[1])]
