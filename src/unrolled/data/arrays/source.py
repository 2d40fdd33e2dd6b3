"""The data source for your own arrays and DataFrames; see docs/python.md."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from unrolled.data.arrays.held import Given, held
from unrolled.data.arrays.sequences import recordings_of
from unrolled.data.files.given_splits import divide
from unrolled.data.files.reader import fitted, read_table
from unrolled.data.files.recorded import RecordedSource, checked_schema
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.schema import Schema
from unrolled.errors import ConfigError, DataError

ARGUMENTS = {"train": "data", "val": "val", "test": "test"}  # of unrolled.train, by split


class Arrays(RecordedSource):
    """The sequences of one set in memory, or of a set for each split; see `held`.

    All arguments but `missing` describe the columns of a DataFrame; see Schema.
    missing: `refuse`, `forward`, `mean` or `mask` (see Filling).
    """

    def __init__(
        self,
        *,
        form: str | None,
        id: str | None,  # noqa: A002 - data.id is what users type
        time: str | None,
        time_feature: bool,
        resample: float | str | None,
        label: str | None,
        group: str | None,
        split_column: str | None,
        features: Sequence[str] | None,
        categorical: Sequence[str],
        missing: str,
    ) -> None:
        super().__init__(
            checked_schema(
                form=form,
                id=id,
                time=time,
                time_feature=time_feature,
                resample=resample,
                label=label,
                group=group,
                split_column=split_column,
                features=features,
                categorical=categorical,
                missing=missing,
            )
        )

    def prepare(self) -> None:
        """Check that there are arrays.

        Raises:
            DataError: a command or a call did not pass any.
        """
        held()

    def origins(self, splits: Iterable[str]) -> dict[str, str]:
        """Return the argument that holds each split."""
        given = held()
        return {name: f"{ARGUMENTS[name if name in given else 'train']}=" for name in splits}

    def read(self) -> dict[str, Recordings]:
        """Return the recordings of each split that was passed, or that a column assigns.

        Raises:
            DataError: a set cannot be read. The message names sequence and step, or the column.
        """
        sets = dict(held())
        schema, train = read_given(
            sets.pop("train"), self.schema, name="data", labels_may_change=self.labels_may_change
        )
        if not self.schema.is_fitted:
            self.schema = schema
        splits = {"train": train} if train.splits is None else divide(train, path="data")
        for name, given in sets.items():
            if name in splits:
                raise ConfigError(
                    f"{name}=: the column data.split_column already assigns sequences to {name}; "
                    "leave out one of the two"
                )
            schema = replace(self.schema, split_column=None)
            splits[name] = read_given(
                given,
                schema,
                name=ARGUMENTS[name],
                labels_may_change=self.labels_may_change,
            )[1]
        return splits


def read_given(
    given: Given, schema: Schema, *, name: str, labels_may_change: bool
) -> tuple[Schema, Recordings]:
    """Return the recordings of a set, and the schema, fitted to them if it was not fitted before.

    name: of the argument, for messages.
    labels_may_change: whether a sequence of a DataFrame may have several labels.

    Raises:
        DataError: the set cannot be read, or has other features or classes than the schema. The
            message names sequence and step, or the column.
    """
    path = Path(name)
    if hasattr(given.x, "columns") and given.y is None:
        from unrolled.data.files.frames import table_of  # late: pandas takes long to import
        from unrolled.data.files.joined_columns import join_columns

        table = table_of(given.x, name)
        join_columns(table, schema)
        schema, recordings = read_table(
            table, schema, labelled=True, labels_may_change=labels_may_change
        )
    else:
        if columns := schema.special_columns or schema.categorical:
            raise DataError(
                f"{name}: {columns[0]!r} is a column of a DataFrame, and the data is an array; "
                "pass the DataFrame alone, for example data=frame"
            )
        recordings = recordings_of(given, name=name)
        if schema.missing == "refuse":
            recordings.refuse_missing(path, first_step=0)
    if not schema.is_fitted:
        schema = fitted(schema, recordings, path=path)
    schema.require_features(recordings.feature_names, path)
    schema.require_classes(recordings.every_label(), path)
    return schema, recordings
