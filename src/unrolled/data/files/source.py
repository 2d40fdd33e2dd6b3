"""The data source for your own files; see docs/own-data.md."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from unrolled.data.files.archive_folder import training_and_test_file
from unrolled.data.files.given_splits import divide
from unrolled.data.files.paths import require_data_paths, spelled
from unrolled.data.files.reader import fit_schema, read_recordings
from unrolled.data.files.recorded import Name, RecordedSource, checked_schema
from unrolled.data.files.recordings import Recordings
from unrolled.errors import ConfigError

KEYS = {"train": "path", "val": "val_path", "test": "test_path"}  # in conf/data, by split


class Files(RecordedSource):
    """The sequences of one file, or of a file for each split.

    path: the training file, a folder of CSV files, or a folder with NAME_TRAIN and NAME_TEST, the
        training and the test set. The data module splits other sets off the training file.
    val_path, test_path: files, or None.
    form, id, time, time_feature, resample, label, group, split_column, features, categorical,
        embedding, separator, header, decimal: see Schema.
    missing: `refuse`, `forward`, `mean` or `mask` (see Filling).
    """

    def __init__(
        self,
        *,
        path: str | None,
        val_path: str | None,
        test_path: str | None,
        form: str | None,
        id: Name | None,  # noqa: A002 - data.id is what users type
        time: Name | None,
        time_feature: bool,
        resample: float | str | None,
        label: Name | None,
        group: Name | None,
        split_column: Name | None,
        features: Sequence[Name] | None,
        categorical: Sequence[Name],
        embedding: int | None,
        separator: str | None,
        header: bool | None,
        decimal: str | None,
        missing: str,
    ) -> None:
        if path is None:
            raise ConfigError("data=files needs data.path=FILE, for example data.path=my_data.csv")
        schema = checked_schema(
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
        if separator is not None and len(separator) != 1:
            raise ConfigError(f"data.separator={separator!r}: need one character or null")
        self.paths = {
            name: Path(file).expanduser()
            for name, file in zip(KEYS, (path, val_path, test_path), strict=True)
            if file is not None
        }
        super().__init__(
            replace(
                schema,
                embedding=embedding,
                separator=separator,
                header=header,
                decimal=decimal,
            )
        )

    def prepare(self) -> None:
        """Check that the files exist.

        Raises:
            DataError: one of them does not.
        """
        require_data_paths({KEYS[name]: path for name, path in self.paths.items()})

    def origins(self, splits: Iterable[str]) -> dict[str, str]:
        """Return the setting that names the file of each split."""
        keys = {name: name if name in self.paths else "train" for name in splits}
        return {name: f"data.{KEYS[key]}={self.paths[key]}" for name, key in keys.items()}

    def _files(self) -> dict[str, Path]:
        """Return the file of each split; a folder of the UCR/UEA archive has a test file too."""
        paths = {name: spelled(path) for name, path in self.paths.items()}
        paths["train"], test = training_and_test_file(paths["train"])
        if test is not None:
            paths.setdefault("test", test)
        return paths

    def read(self) -> dict[str, Recordings]:
        """Return the recordings of each split that a file or the split column provides.

        Raises:
            DataError: a file cannot be read. The message names file, line and column.
        """
        paths, may_change = self._files(), self.labels_may_change
        path = paths.pop("train")
        options = {"labelled": True, "labels_may_change": may_change}
        if self.schema.is_fitted:
            train = read_recordings(path, schema=self.schema, **options)
        else:
            self.schema, train = fit_schema(self.schema, path, labels_may_change=may_change)
        splits = {"train": train} if train.splits is None else divide(train, path=str(path))
        others = replace(self.schema, split_column=None)
        for name, path in paths.items():
            if name in splits:
                raise ConfigError(
                    f"data.{name}_path={path}: the column data.split_column already assigns "
                    f"sequences to {name}; remove one of the two settings"
                )
            splits[name] = read_recordings(path, schema=others, **options)
        return splits
