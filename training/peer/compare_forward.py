"""Cost of one forward pass of n rows: Blockwise beside llama.cpp, alternating in one run.

    python training/peer/compare_forward.py MODEL.gguf --blockwise .build/release/blockwise --out docs/performance

Needs the Python package llama-cpp-python. Every round starts each program once, in turn, and takes a few passes per
point; the medians over all rounds are printed as a Markdown table and, with --out, drawn as PREFIX.svg and kept as
PREFIX.json. Logits of every row are computed by both, as block decoding needs.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time


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


def our_samples(args, rows, depths):
    """Every sample of Blockwise is a median of its own run; one run per round."""
    command = [args.blockwise, "bench", "forward", "--model", args.model, "--json", "--threads", str(args.threads)]
    command += ["--rows", ",".join(map(str, rows)), "--depth", ",".join(map(str, depths))]
    report = json.loads(subprocess.run(command + ["--samples", str(args.samples)], check=True, capture_output=True).stdout)
    return {f"{r['depth']},{r['rows']}": (r["median_ms"], r["min_ms"]) for r in report["results"]}, report["machine"]


def draw(table, rows, path):
    """A curve per program: cost of n rows in units of its own single row, no context."""
    width, height, left, bottom = 640, 360, 60, 40
    top = max(max(t["ours"] / table[0]["ours"], t["peer"] / table[0]["peer"]) for t in table)

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
    for key, colour, name in (("peer", "#c44", "llama.cpp"), ("ours", "#27c", "Blockwise")):
        points = [point(i, t[key] / table[0][key]) for i, t in enumerate(table)]
        path_text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path_text}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = points[-1]
        parts.append(f'<text x="{x - 6:.0f}" y="{y - 8:.0f}" text-anchor="end" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{width / 2:.0f}" y="{height - 3}" text-anchor="middle">rows in one pass</text>')
    parts.append(f'<text x="{left}" y="16">cost of a pass in units of one row, no context</text></svg>')
    with open(path, "w") as file:
        file.write("\n".join(parts) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--blockwise", default=".build/release/blockwise")
    parser.add_argument("--rows", default="1,2,4,8,16,32,64")
    parser.add_argument("--depth", default="0,512")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--samples", type=int, default=3, help="passes per point and round")
    parser.add_argument("--out", help="prefix of the plot and the numbers")
    parser.add_argument("--peer-only", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    rows = [int(x) for x in args.rows.split(",")]
    depths = [int(x) for x in args.depth.split(",")]
    if args.peer_only:
        print(json.dumps(peer_samples(args.model, rows, depths, args.threads, args.samples)))
        return
    ours, peer, machine = {}, {}, {}
    for turn in range(args.rounds):
        print(f"round {turn + 1} of {args.rounds}", file=sys.stderr)
        found, machine = our_samples(args, rows, depths)
        for key, (median, least) in found.items():
            ours.setdefault(key, []).append((median, least))
        again = subprocess.run([sys.executable] + sys.argv + ["--peer-only"], check=True, capture_output=True)
        for key, times in json.loads(again.stdout).items():
            peer.setdefault(key, []).append((statistics.median(times), min(times)))
    table = []
    for depth in depths:
        for count in rows:
            key = f"{depth},{count}"
            table.append({
                "depth": depth, "rows": count,
                "ours": statistics.median(m for m, _ in ours[key]), "ours_min": min(l for _, l in ours[key]),
                "peer": statistics.median(m for m, _ in peer[key]), "peer_min": min(l for _, l in peer[key])})
    print("| context | rows | Blockwise ms (min) | llama.cpp ms (min) | ratio of medians | of minima |")
    print("|---|---|---|---|---|---|")
    for t in table:
        print(f"| {t['depth']} | {t['rows']} | {t['ours']:.1f} ({t['ours_min']:.1f}) | {t['peer']:.1f} ({t['peer_min']:.1f}) "
              f"| {t['peer'] / t['ours']:.2f} | {t['peer_min'] / t['ours_min']:.2f} |")
    if args.out:
        draw([t for t in table if t["depth"] == depths[0]], rows, args.out + ".svg")
        with open(args.out + ".json", "w") as file:
            json.dump({"model": args.model.split("/")[-1], "threads": args.threads, "rounds": args.rounds,
                       "machine": machine, "results": table}, file, indent=1)


if __name__ == "__main__":
    main()
