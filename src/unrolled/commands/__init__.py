"""Commands: one short file each, with `run(arguments)`. Listed in `unrolled.cli.COMMANDS`."""
