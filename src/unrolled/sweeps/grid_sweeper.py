"""Runs every combination of the given values, then prints a table."""

import re
from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from unrolled.sweeps.ending import ending_in_a_table

NUMBER = re.compile(r"=[-+]?[\d.]+(e[-+]?\d+)?$", re.IGNORECASE)


class GridSweeper(BasicSweeper):
    """Hydra's own sweeper, which ends in a table.

    max_batch_size: jobs that are handed to the launcher at once; None for all.
    params: values to sweep over from a config rather than the command line, key -> "a,b,c".
    """

    def sweep(self, arguments: list[str]) -> Any:
        """Carry out every job; see `ending_in_a_table`."""
        assert self.config is not None
        with ending_in_a_table(self.config, metric=None, tolerant=False):
            return super().sweep(arguments)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose jobs until every override was seen, so that a typo is found before the first.

        Composing takes about 0.15 s, too long for a thousand jobs that differ in a number.
        """
        seen: set[str] = set()
        for job in batch:
            words = {NUMBER.sub("=0", override) for override in job}
            if not words <= seen:
                super().validate_batch_is_legal([job])
                seen |= words
