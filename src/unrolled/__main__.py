"""Lets you type `python -m unrolled` in place of `unrolled`."""

from unrolled.cli import main

if __name__ == "__main__":
    main()
