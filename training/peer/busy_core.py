"""Passes while another process takes a core: Blockwise beside llama.cpp, each against itself undisturbed.

    python training/peer/busy_core.py MODEL.gguf --threads 2

Needs the Python package llama-cpp-python. Every round measures each program undisturbed and then again while one process
per --busy core does nothing but count, in turn. Prints the medians and how many times longer passes take beside the
other process. Every measurement is ended after --limit seconds, and its time then reads as what was reached.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys

from compare_forward import numbers, our_round, peer_round


@contextlib.contextmanager
def busy_cores(cores):
    """A counting process on each of these cores, as long as the block lasts."""
    processes = []
    try:
        for core in cores:
            processes.append(subprocess.Popen(
                [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, [{core}])\nwhile True: pass"]))
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL.gguf")
    parser.add_argument("--blockwise", default=".build/release/blockwise")
    parser.add_argument("--rows", type=numbers, default="1,8,32")
    parser.add_argument("--depth", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--busy", type=numbers, default=str(max(os.sched_getaffinity(0))),
                        help="cores that the other processes take")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=3, help="passes per point and round")
    parser.add_argument("--limit", type=float, default=60, help="seconds of one measurement at most")
    parser.add_argument("--out", help="file of the numbers")
    args = parser.parse_args()

    def ours(samples):
        return our_round(args.blockwise, args.model, args.rows, [args.depth], args.threads, samples, args.limit)[0]

    def peer(samples):
        return peer_round(args.model, args.rows, [args.depth], args.threads, samples, args.limit)

    programs = {"Blockwise": ours, "llama.cpp": peer}
    times = {}
    unfinished = set()
    for turn in range(args.rounds):
        print(f"round {turn + 1} of {args.rounds}", file=sys.stderr)
        for name, program in programs.items():
            for state in ("alone", "beside"):
                if (name, state) in unfinished:
                    # It would only take as long again.
                    continue
                with busy_cores(args.busy if state == "beside" else []):
                    try:
                        found = program(args.samples)
                    except subprocess.TimeoutExpired:
                        unfinished.add((name, state))
                        continue
                for key, (median, least) in found.items():
                    times.setdefault((name, state, int(key.split(",")[1])), []).append((median, least))
    print(f"| program | rows | alone ms (min) | with {len(args.busy)} of {os.cpu_count()} cores busy ms (min) | ratio of medians |")
    print("|---|---|---|---|---|")
    results = []
    for name in programs:
        for rows in args.rows:
            cells, medians = [], {}
            for state in ("alone", "beside"):
                found = times.get((name, state, rows))
                if found:
                    medians[state] = statistics.median(m for m, _ in found)
                    cells.append(f"{medians[state]:.1f} ({min(least for _, least in found):.1f})")
                else:
                    cells.append(f"not done in {args.limit:.0f} s")
            ratio = medians["beside"] / medians["alone"] if len(medians) == 2 else None
            results.append({"program": name, "rows": rows, "alone_ms": medians.get("alone"),
                            "beside_ms": medians.get("beside"), "ratio": ratio})
            print(f"| {name} | {rows} | {cells[0]} | {cells[1]} | {'' if ratio is None else f'{ratio:.2f}'} |")
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"model": os.path.basename(args.model), "threads": args.threads, "depth": args.depth,
                       "busy_cores": args.busy, "rounds": args.rounds, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
