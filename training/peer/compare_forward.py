"""Cost of one forward pass of n rows: Blockwise beside llama.cpp, alternating in one run.

    python training/peer/compare_forward.py MODEL.gguf [MODEL.gguf …] --threads 1,2 --depth 0,512 --out docs/cost-curve

Needs the Python package llama-cpp-python. Every round starts each program once per model and thread count, in turn, and
takes a few passes per point; per model the medians over all rounds are printed as a Markdown table and, with --out, kept
as PREFIX-MODEL.json and drawn as PREFIX-MODEL.svg. t(n)/t(1) is the cost of a pass in units of the program's own single
row at the same threads and context. Logits of every row are computed by both, as block decoding needs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def numbers(text):
    return [int(word) for word in text.split(",")]


def peer_samples(path, rows, depths, threads, samples):
    """Milliseconds per (depth, rows) of llama.cpp, after one pass to warm up."""
    import ctypes

    import llama_cpp as lc

    silent = lc.llama_log_callback(lambda level, text, data: None)
    lc.llama_log_set(silent, ctypes.c_void_p(0))
    lc.llama_backend_init()
    model = lc.llama_model_load_from_file(path.encode(), lc.llama_model_default_params())
    if not model:
        sys.exit(f"llama.cpp cannot load {path}")
    vocabulary = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(model))
    settings = lc.llama_context_default_params()
    settings.n_ctx = max(depths) + max(rows) + 64
    settings.n_batch = settings.n_ubatch = max(512, max(rows))
    settings.n_threads = settings.n_threads_batch = threads
    context = lc.llama_init_from_model(model, settings)
    memory = lc.llama_get_memory(context)
    batch = lc.llama_batch_init(settings.n_batch, 0, 1)

    def forward(count, start, every_row):
        batch.n_tokens = count
        for i in range(count):
            batch.token[i] = (start + i) * 7919 % vocabulary
            batch.pos[i] = start + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = every_row or i == count - 1
        begin = time.perf_counter()
        if lc.llama_decode(context, batch) != 0:
            sys.exit("llama.cpp could not decode")
        lc.llama_synchronize(context)
        return (time.perf_counter() - begin) * 1e3

    results = {}
    for depth in depths:
        lc.llama_memory_clear(memory, True)
        for start in range(0, depth, 512):
            forward(min(512, depth - start), start, False)
        for count in rows:
            times = []
            for _ in range(samples + 1):
                times.append(forward(count, depth, True))
                lc.llama_memory_seq_rm(memory, 0, depth, -1)
            results[f"{depth},{count}"] = times[1:]
    return results


def peer_round(model, rows, depths, threads, samples, timeout=None):
    """(median, minimum) per point of llama.cpp, in a process of its own."""
    command = [sys.executable, os.path.abspath(__file__), model, "--peer-only", "--threads", str(threads)]
    command += ["--rows", ",".join(map(str, rows)), "--depth", ",".join(map(str, depths)), "--samples", str(samples)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=timeout).stdout)
    return {key: (statistics.median(times), min(times)) for key, times in found.items()}


def our_round(blockwise, model, rows, depths, threads, samples, timeout=None):
    """(median, minimum) per point of Blockwise, and the machine's limits that it measured."""
    command = [blockwise, "bench", "forward", "--model", model, "--json", "--threads", str(threads)]
    command += ["--rows", ",".join(map(str, rows)), "--depth", ",".join(map(str, depths)), "--samples", str(samples)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=timeout).stdout)
    points = {f"{r['depth']},{r['rows']}": (r["median_ms"], r["min_ms"]) for r in report["results"]}
    return points, report["machine"]


def measure(args, model, rows, depths, threads):
    """One entry per thread count, depth and row count; and the machine as each thread count saw it."""
    ours, peer, machines = {}, {}, {}
    for turn in range(args.rounds):
        print(f"{model}: round {turn + 1} of {args.rounds}", file=sys.stderr)
        for count in threads:
            found, machines[count] = our_round(args.blockwise, model, rows, depths, count, args.samples)
            for key, times in found.items():
                ours.setdefault((count, key), []).append(times)
            for key, times in peer_round(model, rows, depths, count, args.samples).items():
                peer.setdefault((count, key), []).append(times)

    def summary(rounds):
        return statistics.median(m for m, _ in rounds), min(least for _, least in rounds)

    table = []
    for count in threads:
        for depth in depths:
            for row in rows:
                entry = {"threads": count, "depth": depth, "rows": row}
                for name, rounds in (("ours", ours), ("peer", peer)):
                    entry[name], entry[name + "_min"] = summary(rounds[count, f"{depth},{row}"])
                table.append(entry)
    for entry in table:
        single = next((e for e in table if e["rows"] == 1 and (e["threads"], e["depth"]) == (
            entry["threads"], entry["depth"])), None)
        for name in ("ours", "peer"):
            entry[name + "_relative"] = entry[name] / single[name] if single else None
    return table, machines


def show(model, table):
    def relative(value):
        return "" if value is None else f"{value:.2f}"

    print(f"\n### {os.path.basename(model)}\n")
    print("| threads | context | rows | Blockwise ms (min) | llama.cpp ms (min) | ratio of medians | of minima "
          "| t(n)/t(1) Blockwise | llama.cpp |")
    print("|---|---|---|---|---|---|---|---|---|")
    for t in table:
        print(f"| {t['threads']} | {t['depth']} | {t['rows']} | {t['ours']:.1f} ({t['ours_min']:.1f}) "
              f"| {t['peer']:.1f} ({t['peer_min']:.1f}) | {t['peer'] / t['ours']:.2f} "
              f"| {t['peer_min'] / t['ours_min']:.2f} | {relative(t['ours_relative'])} "
              f"| {relative(t['peer_relative'])} |")


def draw(table, path):
    """A curve per program and thread count: cost of n rows in units of its own single row, at the first context."""
    table = [t for t in table if t["depth"] == table[0]["depth"] and t["ours_relative"] is not None]
    rows = sorted({t["rows"] for t in table})
    if len(rows) < 2:
        return
    width, height, left, bottom = 640, 360, 60, 40
    top = max(max(t["ours_relative"], t["peer_relative"]) for t in table)

    def point(index, value):
        x = left + index * (width - left - 20) / (len(rows) - 1)
        return x, height - bottom - value / top * (height - bottom - 30)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for index, count in enumerate(rows):
        x, _ = point(index, 0)
        parts.append(f'<text x="{x:.0f}" y="{height - 18}" text-anchor="middle">{count}</text>')
    for value in range(0, int(top) + 1, max(1, int(top) // 6)):
        _, y = point(0, value)
        parts.append(f'<line x1="{left}" y1="{y:.0f}" x2="{width - 20}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">{value}×</text>')
    counts = sorted({t["threads"] for t in table}, reverse=True)
    for dash, threads in enumerate(counts):
        for key, colour, name in (("peer_relative", "#c44", "llama.cpp"), ("ours_relative", "#27c", "Blockwise")):
            points = [point(rows.index(t["rows"]), t[key]) for t in table if t["threads"] == threads]
            path_text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            style = f' stroke-dasharray="{6 * dash} {4 * dash}"' if dash else ""
            parts.append(f'<polyline points="{path_text}" fill="none" stroke="{colour}" stroke-width="2"{style}/>')
            x, y = points[-1]
            label = name if len(counts) == 1 else f"{name}, {threads} thread{'' if threads == 1 else 's'}"
            parts.append(f'<text x="{x - 6:.0f}" y="{y - 8:.0f}" text-anchor="end" fill="{colour}">{label}</text>')
    context = f"{table[0]['depth']} tokens of context" if table[0]["depth"] else "no context"
    parts.append(f'<text x="{width / 2:.0f}" y="{height - 3}" text-anchor="middle">rows in one pass</text>')
    parts.append(f'<text x="{left}" y="16">cost of a pass in units of one row, {context}</text></svg>')
    with open(path, "w") as file:
        file.write("\n".join(parts) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf")
    parser.add_argument("--blockwise", default=".build/release/blockwise")
    parser.add_argument("--rows", type=numbers, default="1,2,4,8,16,32,64")
    parser.add_argument("--depth", type=numbers, default="0,512")
    parser.add_argument("--threads", type=numbers, default="2", help="thread counts")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--samples", type=int, default=3, help="passes per point and round")
    parser.add_argument("--out", help="prefix of the plots and the numbers")
    parser.add_argument("--peer-only", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer_only:
        print(json.dumps(peer_samples(args.models[0], args.rows, args.depth, args.threads[0], args.samples)))
        return
    for model in args.models:
        table, machines = measure(args, model, args.rows, args.depth, args.threads)
        show(model, table)
        if args.out:
            prefix = args.out + "-" + os.path.basename(model).removesuffix(".gguf")
            draw(table, prefix + ".svg")
            with open(prefix + ".json", "w") as file:
                json.dump({"model": os.path.basename(model), "rounds": args.rounds,
                           "machines": [machines[count] for count in args.threads], "results": table}, file, indent=1)


if __name__ == "__main__":
    main()
