"""Loading, first token, prefill, decoding and memory: Blockwise beside llama.cpp, alternating in one run.

    python training/peer/compare_generate.py MODEL.gguf [MODEL.gguf …] --threads 1,2

Needs the Python package llama-cpp-python. Each round starts each program once per model and thread count, in turn: a
prompt of --prompt tokens and --tokens greedy tokens behind it. Prints a Markdown table per model and thread count:
medians over the rounds, minimum or maximum in brackets, and how many times more llama.cpp needs. With --out the rounds
are kept as PREFIX-MODEL.json.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from compare_forward import numbers


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

    def decode(tokens, start, wants_logits):
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, start + i, 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = wants_logits and i == len(tokens) - 1
        if lc.llama_decode(context, batch) != 0:
            sys.exit("llama.cpp could not decode")

    def forward(tokens, start):
        for first in range(0, len(tokens), 512):
            part = tokens[first:first + 512]
            decode(part, start + first, first + len(part) == len(tokens))
        logits = lc.llama_get_logits_ith(context, -1)
        import numpy

        return int(numpy.ctypeslib.as_array(logits, (vocabulary,)).argmax())

    token = forward(prompt, 0)
    first = time.perf_counter()
    for step in range(count - 1):
        token = forward([token], len(prompt) + step)
    end = time.perf_counter()
    return {"load": loaded - loading, "prefill": first - loaded, "decode": (end - first) / (count - 1),
            "first": first - begin, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def our_round(blockwise, model, prompt, count, threads):
    command = [blockwise, "generate", "--model", model, "--threads", str(threads), "--json", "--ignore-eos"]
    command += ["--temperature", "0", "--prompt-tokens", ",".join(map(str, prompt))]
    begin = time.perf_counter()
    subprocess.run(command + ["--max-tokens", "1"], check=True, capture_output=True)
    first = time.perf_counter() - begin
    stats = json.loads(
        subprocess.run(command + ["--max-tokens", str(count)], check=True, capture_output=True).stdout)["stats"]
    # The program does nothing but load before the prefill.
    return {"load": first - stats["prefill_seconds"], "prefill": stats["prefill_seconds"],
            "decode": stats["decode_seconds"] / max(1, stats["forwards"]), "first": first,
            "memory": stats["peak_memory_bytes"]}


def show(model, threads, args, ours, peer):
    def cell(rounds, key, scale, unit, best):
        values = [r[key] * scale for r in rounds]
        return f"{statistics.median(values):.1f} {unit} ({best(values):.1f})"

    print(f"\n### {os.path.basename(model)}, {threads} thread{'' if threads == 1 else 's'}\n")
    print("| | Blockwise | llama.cpp | ratio of medians |")
    print("|---|---|---|---|")
    for name, key, scale, unit, best in (
        ("start and load", "load", 1e3, "ms", min),
        (f"prefill of {args.prompt} tokens", "prefill", 1e3, "ms", min),
        (f"process start to first token behind {args.prompt}", "first", 1e3, "ms", min),
        (f"one token of decoding at {args.prompt} to {args.prompt + args.tokens}", "decode", 1e3, "ms", min),
        ("peak resident memory", "memory", 1 / (1 << 20), "MiB", max),
    ):
        ratio = statistics.median(r[key] for r in peer) / statistics.median(r[key] for r in ours)
        print(f"| {name} | {cell(ours, key, scale, unit, best)} | {cell(peer, key, scale, unit, best)} | {ratio:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf")
    parser.add_argument("--blockwise", default=".build/release/blockwise")
    parser.add_argument("--threads", type=numbers, default="2", help="thread counts")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of the prompt")
    parser.add_argument("--tokens", type=int, default=64, help="tokens to decode, at least 2")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", help="prefix of the numbers")
    parser.add_argument("--peer-only", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.tokens < 2 or args.prompt < 1:
        parser.error("--tokens is at least 2 and --prompt at least 1")
    # Ids that small vocabularies have as well.
    prompt = [300 + i * 7919 % 1500 for i in range(args.prompt)]
    if args.peer_only:
        print(json.dumps(peer_round(args.models[0], prompt, args.tokens, args.threads[0])))
        return
    for model in args.models:
        ours, peer = {}, {}
        for turn in range(args.rounds):
            print(f"{model}: round {turn + 1} of {args.rounds}", file=sys.stderr)
            for threads in args.threads:
                ours.setdefault(threads, []).append(our_round(args.blockwise, model, prompt, args.tokens, threads))
                command = [sys.executable, os.path.abspath(__file__), model, "--peer-only", "--threads", str(threads)]
                command += ["--prompt", str(args.prompt), "--tokens", str(args.tokens)]
                again = subprocess.run(command, check=True, capture_output=True)
                peer.setdefault(threads, []).append(json.loads(again.stdout))
        for threads in args.threads:
            show(model, threads, args, ours[threads], peer[threads])
        if args.out:
            path = args.out + "-" + os.path.basename(model).removesuffix(".gguf") + ".json"
            with open(path, "w") as file:
                json.dump({"model": os.path.basename(model), "prompt": args.prompt, "tokens": args.tokens,
                           "results": [{"threads": t, "ours": ours[t], "peer": peer[t]} for t in args.threads]},
                          file, indent=1)


if __name__ == "__main__":
    main()
