"""`python -m unrolled` is `unrolled`."""

from unrolled.cli import main

if __name__ == "__main__":
    main()
