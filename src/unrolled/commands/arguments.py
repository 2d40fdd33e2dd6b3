"""Arguments of the commands that are no Hydra application."""


def take(arguments: list[str], name: str) -> tuple[str | None, list[str]]:
    """Return the value of `name=value`, taken literally, and the other arguments."""
    prefix = f"{name}="
    values = [
        argument.removeprefix(prefix) for argument in arguments if argument.startswith(prefix)
    ]
    rest = [argument for argument in arguments if not argument.startswith(prefix)]
    return values[-1] if values else None, rest
