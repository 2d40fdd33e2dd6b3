"""Counts words of new sequences that the run does not know."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from unrolled.data.files.piece import Pieces

log = logging.getLogger(__name__)


class WordCheck:
    """Reports the share of unknown words in each column of words.

    columns: the columns, which are the last features of the pieces, (k,).
    source: what is read, for the message.
    """

    def __init__(self, columns: Sequence[str], *, source: str) -> None:
        self.columns = columns
        self.source = source
        self._num_unknown = np.zeros(len(columns), dtype=np.int64)
        self._num_steps = 0

    def watch(self, parts: Iterator[Pieces]) -> Iterator[Pieces]:
        """Yield the pieces, and warn after the last one if there are unknown words."""
        for part in parts:
            codes = part.values[:, part.values.shape[1] - len(self.columns) :]
            self._num_unknown += (codes == 0).sum(axis=0)
            self._num_steps += len(codes)
            yield part
        for column, num in zip(self.columns, self._num_unknown.tolist(), strict=True):
            if num:
                log.warning(
                    "%s: %.3g %% of the %s words in %r are unknown to the run, because they occur "
                    "in fewer than two of its training sequences",
                    self.source,
                    100 * num / self._num_steps,
                    f"{self._num_steps:,}",
                    column,
                )
