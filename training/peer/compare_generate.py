"""Loading, first token, prefill, decoding and memory: Blockwise beside llama.cpp, alternating in one run.

    python training/peer/compare_generate.py MODEL.gguf --blockwise .build/release/blockwise

Needs the Python package llama-cpp-python. Each round starts each program once, in turn: a prompt of 512 tokens and 64
greedy tokens behind it. Prints a Markdown table of medians over the rounds (minimum or maximum in brackets).
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time


def peer_round(path, prompt, count, threads):
    import ctypes

    begin = time.perf_counter()
    import llama_cpp as lc

    silent = lc.llama_log_callback(lambda level, text, data: None)
    lc.llama_log_set(silent, ctypes.c_void_p(0))
    lc.llama_backend_init()
    loading = time.perf_counter()
    model = lc.llama_model_load_from_file(path.encode(), lc.llama_model_default_params())
    settings = lc.llama_context_default_params()
    settings.n_ctx = len(prompt) + count + 64
    settings.n_batch = settings.n_ubatch = 512
    settings.n_threads = settings.n_threads_batch = threads
    context = lc.llama_init_from_model(model, settings)
    loaded = time.perf_counter()
    vocabulary = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(model))
    batch = lc.llama_batch_init(512, 0, 1)

    def forward(tokens, start):
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, start + i, 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = i == len(tokens) - 1
        if lc.llama_decode(context, batch) != 0:
            sys.exit("llama.cpp could not decode")
        logits = lc.llama_get_logits_ith(context, len(tokens) - 1)
        import numpy

        return int(numpy.ctypeslib.as_array(logits, (vocabulary,)).argmax())

    token = forward(prompt, 0)
    first = time.perf_counter()
    for step in range(count - 1):
        token = forward([token], len(prompt) + step)
    end = time.perf_counter()
    return {"load": loaded - loading, "prefill": first - loaded, "decode": (end - first) / (count - 1),
            "first": first - begin, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def our_round(args, prompt, count):
    command = [args.blockwise, "generate", "--model", args.model, "--threads", str(args.threads), "--json"]
    command += ["--prompt-tokens", ",".join(map(str, prompt))]
    begin = time.perf_counter()
    subprocess.run(command + ["--max-tokens", "1"], check=True, capture_output=True)
    first = time.perf_counter() - begin
    stats = json.loads(
        subprocess.run(command + ["--max-tokens", str(count)], check=True, capture_output=True).stdout)["stats"]
    # The program does nothing but load before the prefill.
    return {"load": first - stats["prefill_seconds"], "prefill": stats["prefill_seconds"],
            "decode": stats["decode_seconds"] / max(1, stats["forwards"]), "first": first,
            "memory": stats["peak_memory_bytes"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--blockwise", default=".build/release/blockwise")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peer-only", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    prompt, count = [300 + i * 7919 % 20000 for i in range(512)], 64
    if args.peer_only:
        print(json.dumps(peer_round(args.model, prompt, count, args.threads)))
        return
    ours, peer = [], []
    for turn in range(args.rounds):
        print(f"round {turn + 1} of {args.rounds}", file=sys.stderr)
        ours.append(our_round(args, prompt, count))
        again = subprocess.run([sys.executable] + sys.argv + ["--peer-only"], check=True, capture_output=True)
        peer.append(json.loads(again.stdout))

    def cell(rounds, key, scale, unit, best=min):
        values = [r[key] * scale for r in rounds]
        return f"{statistics.median(values):.1f} {unit} ({best(values):.1f})"

    print("| | Blockwise | llama.cpp |")
    print("|---|---|---|")
    for name, key, scale, unit, best in (
        ("start and load", "load", 1e3, "ms", min),
        ("prefill of 512 tokens", "prefill", 1e3, "ms", min),
        ("process start to first token behind 512", "first", 1e3, "ms", min),
        ("one token of decoding at 512 to 576", "decode", 1e3, "ms", min),
        ("peak resident memory", "memory", 1 / (1 << 20), "MiB", max),
    ):
        print(f"| {name} | {cell(ours, key, scale, unit, best)} | {cell(peer, key, scale, unit, best)} |")


if __name__ == "__main__":
    main()
