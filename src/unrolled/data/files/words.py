"""A column of words, held as the distinct words and a number per row."""

from collections.abc import Collection, Iterator, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
import pandas as pd


def different(words: Collection[str]) -> set[str]:
    """Return the different words."""
    return set(words.used if isinstance(words, Words) else words)


class Words(Sequence[str]):
    """The words of a column.

    codes: number of the word of each row, (rows,).
    names: the words. Equal ones are merged.
    """

    def __init__(self, codes: npt.NDArray[np.intp], names: Sequence[str]) -> None:
        self.codes = codes
        self.names = list(names)
        if len(set(names)) < len(names):
            merged, distinct = pd.factorize(np.asarray(names, dtype=object))
            self.codes, self.names = merged[codes], list(distinct)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Words": ...
    def __getitem__(self, index: int | slice) -> "str | Words":
        if isinstance(index, slice):
            return Words(self.codes[index], self.names)
        name: str = self.names[self.codes[index]]
        return name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.tolist() == list(other)

    __hash__ = None  # type: ignore[assignment]

    def take(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> "Words":
        """Return the words of these rows, in that order."""
        return Words(self.codes[rows], self.names)

    @property
    def used(self) -> list[str]:
        """The different words that occur in a row."""
        return [self.names[code] for code in np.flatnonzero(np.bincount(self.codes))]

    @classmethod
    def joined(cls, parts: Sequence["Words"]) -> "Words":
        """Return the words of all parts, one part after the other."""
        first = np.cumsum([0, *(len(part.names) for part in parts)])
        codes = [part.codes + start for part, start in zip(parts, first, strict=False)]
        return cls(np.concatenate(codes), [name for part in parts for name in part.names])

    def tolist(self) -> list[str]:
        """Return the word of each row; equal words are one object."""
        words: list[str] = np.asarray(self.names, dtype=object)[self.codes].tolist()
        return words
