"""A line about what was detected in a CSV file and is unusual, so that a wrong guess is noticed."""

from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table

TABS = (".tsv", ".tab")  # suffixes of files that usually have tabs


def detected(table: Table, schema: Schema) -> str:
    """Return what was detected although no setting says so, or "" if nothing is unusual.

    For example: `decimal comma; columns separated by ';'`.

    schema: with the typed settings.
    """
    dialect = table.dialect
    if dialect is None:
        return ""
    found = []
    if dialect.encoding != "UTF-8":
        found.append(f"text in {dialect.encoding}")
    usual = "\t" if any(part.lower() in TABS for part in table.path.suffixes) else ","
    if schema.separator is None and dialect.separator != usual:
        mark = "blanks" if dialect.splits_at_blanks else repr(dialect.separator)
        found.append(f"columns separated by {mark}")
    if schema.decimal is None and dialect.decimal != ".":
        found.append("decimal comma")
    if schema.header is None and not dialect.header:
        found.append(
            "no line with names, so columns are called column 1, column 2, ... "
            "(data.header=true takes the first line as names)"
        )
    return "; ".join(found)
