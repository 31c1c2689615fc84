"""``python -m bn_theory.rates``: print the calibration table."""

import argparse
import json

from .calibration import as_document, calibrate, format_table


def main(arguments=None):
    """Print the calibration table; ``--json FILE`` also writes it."""
    parser = argparse.ArgumentParser(description="Calibrate the exponent fit on synthetic data.")
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--regime", action="append", help="run this regime only; may be repeated")
    parser.add_argument("--json", help="also write the table to this file")
    options = parser.parse_args(arguments)
    print(format_table([]))
    rows = calibrate(
        options.repeats,
        options.seed,
        options.regime,
        progress=lambda row: print(format_table([row]).splitlines()[-1], flush=True),
    )
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(as_document(rows, options.repeats, options.seed), file, indent=1)
            file.write("\n")
    return 0 if all(row.accepted for row in rows if row.required) else 1


if __name__ == "__main__":
    raise SystemExit(main())
