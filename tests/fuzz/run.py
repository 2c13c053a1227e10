"""Runs many generated inputs through the library: ``python tests/fuzz/run.py --cases 20000``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1]), str(HERE.parent / "helpers")]

from harness import Outcome, supervised, work  # noqa: E402
from targets import all_targets  # noqa: E402


def main() -> int:
    """Returns 1 where an input ended in anything but a result or a sentence."""
    parser = argparse.ArgumentParser(description="Generated inputs through the library; the same ones every time.")
    parser.add_argument("--cases", type=int, default=2000, help="how many, shared among the targets by their weight")
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each target")
    parser.add_argument("--only", nargs="*", default=None, help="names of targets")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        target = next(target for target in all_targets() if target.name == arguments.worker)
        work(target, arguments.first, arguments.cases)
        return 0
    targets = [target for target in all_targets() if arguments.only is None or target.name in arguments.only]
    whole = sum(target.weight for target in targets)
    failed = tried = 0
    for target in targets:
        share = max(1, round(arguments.cases * target.weight / whole))
        outcome = Outcome()
        for outcome in supervised(target.name, share, arguments.first):
            if sys.stderr.isatty():
                print(f"\r{target.name}: {outcome.cases}/{share}", end="", file=sys.stderr, flush=True)
        tried += outcome.cases
        failed += len(outcome.failures)
        print(
            f"{target.name}: {outcome.cases} cases, {outcome.refused} refused in a sentence, "
            f"{len(outcome.failures)} failures, slowest {outcome.slowest_s:.2f} s",
            flush=True,
        )
        for number, problem in list(outcome.failures.items())[:5]:
            print(f"  case {number}: {problem}", flush=True)
    print(f"{tried} inputs, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
