"""Arguments of the commands that are no Hydra application."""


def take(arguments: list[str], name: str) -> tuple[str | None, list[str]]:
    """Return the value of `name=value`, taken literally, and the other arguments."""
    prefix = f"{name}="
    values = [
        argument.removeprefix(prefix) for argument in arguments if argument.startswith(prefix)
    ]
    rest = [argument for argument in arguments if not argument.startswith(prefix)]
    return values[-1] if values else None, rest


# Keys whose values are names of files and columns, in which Hydra's special signs mean nothing.
LITERAL = (
    *("path", "val_path", "test_path", "dir", "id", "time", "label", "group", "separator"),
    *("split_column", "window.background"),
)


def quote_names(arguments: list[str]) -> list[str]:
    """Return the arguments with names of files and columns quoted for Hydra: `data.path=a, b.csv`.

    null and what is quoted already stay as they are.
    """
    quoted = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        is_name = equals and key.lstrip("+") in {f"data.{name}" for name in LITERAL}
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        if is_name and not is_quoted and value not in ("", "null"):
            escaped = value.replace("\\", "\\\\") if value.endswith("\\") else value
            escaped = escaped.replace("'", "\\'").replace("${", "\\${")
            argument = f"{key}='{escaped}'"
        quoted.append(argument)
    return quoted
