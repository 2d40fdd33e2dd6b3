"""The features of a file as the rest of the program sees them: names, columns, words."""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Feature, Sequences, SourceData, real_steps
from unrolled.data.files.long_form import TIME_FEATURE
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import shown

log = logging.getLogger(__name__)

MIN_SEQUENCES = 2  # of the training set, in which a word occurs that gets a code


def features_of(schema: Schema) -> list[Feature]:
    """Return the features of a fitted schema, (d,)."""
    columns = [column for column, _ in _columns_of(schema)]
    return [
        Feature(name=name, column=column, leave_out=_leave_out(schema, column))
        for name, column in zip(schema.feature_names, columns, strict=True)
    ]


def without_unseen_words(data: SourceData, schema: Schema, rows: Int[Tensor, " m"]) -> SourceData:
    """Return the data without the features of words that occur in no training sequence.

    A step that has such a word is 0 in the features of all other words of the column. With
    data.embedding, see `_with_known_codes`.

    schema: of the data, with the words of all its sequences.
    rows: of the sequences of data.train that are used for training.
    """
    if schema.embedding is not None:
        return _with_known_codes(data, schema, rows)
    x, lengths = data.train.x[rows], data.train.lengths[rows]
    words = _columns_of(schema)
    occurs = (x == 1) & real_steps(lengths, x.shape[1])[:, :, None]
    seen = occurs.flatten(0, 1).any(dim=0).tolist()
    unseen = {pair for pair, is_seen in zip(words, seen, strict=True) if pair[1] and not is_seen}
    if not unseen:
        return data
    categories = {
        column: [word for word in known if (column, word) not in unseen]
        for column, known in schema.categories.items()
    }
    for column, known in categories.items():
        if gone := [word for word in schema.categories[column] if word not in known]:
            log.warning(
                "column %r: %s does not occur in the training set, which has %s; it is 0 in each "
                "of them",
                column,
                shown(gone),
                shown(known),
            )
    kept = [number for number, pair in enumerate(words) if pair not in unseen]
    names = tuple(schema.feature_names[number] for number in kept)
    schema = replace(schema, categories=categories, feature_names=names)
    parts = {name: replace(part, x=part.x[:, :, kept]) for name, part in data.parts().items()}
    return _changed(data, parts, schema)


def _with_known_codes(data: SourceData, schema: Schema, rows: Int[Tensor, " m"]) -> SourceData:
    """Return the data with codes of the words that occur in at least two training sequences.

    All other words get the code 0. They stand in for the words of new sequences, so that the
    vector of unknown words is trained.
    """
    lengths = data.train.lengths[rows]
    real = real_steps(lengths, data.train.x.shape[1])
    tensors = {name: part.x.clone() for name, part in data.parts().items()}
    categories = {}
    first = data.train.x.shape[2] - len(schema.code_columns)
    for number, column in enumerate(schema.code_columns, start=first):
        words = schema.categories[column]
        codes = data.train.x[rows, :, number].nan_to_num()
        occurs = torch.zeros(len(rows), len(words) + 1, dtype=torch.bool)
        sequences, steps = real.nonzero(as_tuple=True)
        occurs[sequences, codes[sequences, steps].long()] = True
        num_sequences = occurs.sum(dim=0)
        is_known = num_sequences >= MIN_SEQUENCES
        is_known[0] = False
        kept = is_known.tolist()
        categories[column] = [word for word, keep in zip(words, kept[1:], strict=True) if keep]
        new_codes = torch.where(is_known, is_known.cumsum(dim=0), 0).double()
        for x in tensors.values():
            old = x[:, :, number]
            x[:, :, number] = torch.where(old.isnan(), old, new_codes[old.nan_to_num().long()])
        level = log.info if categories[column] else log.warning
        level(
            "data.embedding=%d: column %r has %d words that occur in at least two training "
            "sequences; %d others are read as unknown",
            schema.embedding,
            column,
            len(categories[column]),
            len(words) - len(categories[column]),
        )
    parts = {name: replace(part, x=tensors[name]) for name, part in data.parts().items()}
    return _changed(data, parts, replace(schema, categories=categories))


def _changed(data: SourceData, parts: dict[str, Sequences], schema: Schema) -> SourceData:
    return replace(
        data,
        train=parts["train"],
        val=parts.get("val"),
        test=parts.get("test"),
        schema=schema.as_plain(),
        features=features_of(schema),
        num_words=schema.num_words,
    )


def _columns_of(schema: Schema) -> list[tuple[str, str | None]]:
    """Return the column of each feature, and its word if the feature is 0 or 1."""
    if not schema.categories and not schema.time_feature:
        return [(name, None) for name in schema.feature_names]
    pairs = schema.column_words
    if schema.time_feature:
        pairs.insert(len(pairs) - len(schema.code_columns), (TIME_FEATURE, None))
    return pairs


def _leave_out(schema: Schema, column: str) -> str:
    if column == TIME_FEATURE:
        return "type data.time_feature=false"
    if schema.features is None:
        return "write the file without it"
    if schema.form == "wide":
        return "list the other columns in data.features=[...]"
    text = f"type data.features={_listed([name for name in schema.features if name != column])}"
    if column in schema.categorical:
        words = [name for name in schema.categorical if name != column]
        text += f" data.categorical={_listed(words)}"
    return text


def _listed(names: Sequence[str]) -> str:
    """Return a list for the command line, shortened if it is long or needs quotes."""
    is_plain = len(names) <= 12 and all(re.fullmatch(r"\w+", name) for name in names)
    return f"[{','.join(names)}]" if is_plain else "[...]"
