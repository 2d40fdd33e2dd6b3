"""What a run fits on its training set, and applies to all other sequences."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from unrolled.data.channels import Channels
from unrolled.data.missing import Filling
from unrolled.data.ranges import Ranges
from unrolled.data.standardization import Standardization


@dataclass(frozen=True)
class Fitted:
    """What was fitted on the training set; new sequences are prepared with the same values.

    class_names: (c,).
    schema: plain values with which the source reads further files, or None; see `SourceData`.
    filling: how missing values are filled.
    standardization: mean and scale of the features.
    ranges: smallest and largest value of the features, or None for a run that does not store them.
    background: name of the class of windows in which nothing happens, or None; see `Windows`.
    channels: which channels are added to the standardised features, or None for none.
    num_words: known words of each of the last features that are codes, (k,); see `SourceData`.
    """

    class_names: list[str]
    schema: dict[str, Any] | None
    filling: Filling
    standardization: Standardization
    ranges: Ranges | None
    background: str | None
    channels: Channels | None
    num_words: list[int]

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for preprocessing.json."""
        return {
            "class_names": self.class_names,
            "schema": self.schema,
            "window_background": self.background,
            "filling": self.filling.to_plain(),
            "standardization": self.standardization.to_plain(),
            "ranges": None if self.ranges is None else self.ranges.to_plain(),
            "channels": None if self.channels is None else self.channels.to_plain(),
            "num_words": self.num_words,
        }

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Fitted":
        """Return the object from which `to_plain` made these values; other keys are ignored."""
        return cls(
            class_names=values["class_names"],
            schema=values["schema"],
            filling=Filling.from_plain(values["filling"]),
            standardization=Standardization.from_plain(values["standardization"]),
            ranges=Ranges.from_plain(values["ranges"]) if values.get("ranges") else None,
            background=values["window_background"],
            channels=None
            if values["channels"] is None
            else Channels.from_plain(values["channels"]),
            num_words=values.get("num_words", []),
        )

    def scale(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d2"]:
        """Return x filled and standardised; d2 is d, plus a mask per number if there are masks."""
        return self.standardization(self.filling(x))
