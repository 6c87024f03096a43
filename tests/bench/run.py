#!/usr/bin/python3
"""scripts/bench's second half: names → benches."""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "flow")]

import e2e  # noqa: E402

BENCHES = {"e2e": e2e.run}


def main():
    p = argparse.ArgumentParser(prog="scripts/bench")
    p.add_argument("names", nargs="*", default=list(BENCHES),
                   metavar="NAME", help=", ".join(BENCHES))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=int, default=8,
                   help="of load in each round")
    p.add_argument("--sides", default="postrider,bare_path,postfix")
    options = p.parse_args()
    for name in options.names:
        if name not in BENCHES:
            p.error("no bench is named %s" % name)
    for name in options.names:
        BENCHES[name](options)


if __name__ == "__main__":
    main()
