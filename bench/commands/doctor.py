"""`bench doctor`: what is installed and found here, what is missing, and the command that mends it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from bench.commands import Subparsers
from bench.commands.options import add_data_root_option, add_out_option

DESCRIPTION = """Looks, and changes nothing. `ok` is there, `note` is not there and only some commands need it, BROKEN
is what `bench run` needs. Below a line stands what mends it. Exit codes: 0, and 1 where something is broken."""


def add(commands: Subparsers) -> None:
    doctor = commands.add_parser(
        "doctor", help="check versions, device, data, cache, disk and SLURM", description=DESCRIPTION
    )
    add_data_root_option(doctor)
    add_out_option(doctor)
    doctor.set_defaults(command=doctor_command)


def doctor_command(options: argparse.Namespace) -> int:
    from bench.commands.checks import BROKEN, check_all
    from bench.commands.tables import print_table

    found = list(check_all(options.data_root, options.out))

    def rows() -> Iterator[tuple[str, str, str]]:
        for check in found:
            yield check.state, check.what, check.said
            if check.mend:
                yield "", "", f"→ {check.mend}"

    print_table(rows())
    broken = [check.what for check in found if check.state == BROKEN]
    print(f"\nbroken: {', '.join(broken)}" if broken else "\nnothing is broken")
    return 1 if broken else 0
