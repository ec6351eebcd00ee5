"""Checks an engine against `transformers` at the true dimensions of published models, without downloading any.

For each family a two-layer checkpoint is written with the published configuration's vocabulary, hidden size, heads,
rope and dtype and with seeded random weights; `transformers` computes logits over the stored weights in f32 (eager
attention; the diffusion families as the Llama, Qwen2 or Qwen3 network they are, with an explicit mask); then
`blockwise logits` computes the same. One checkpoint at a time, deleted afterwards.

    python training/verification/verify_published.py --blockwise .build/release/blockwise
    python training/verification/verify_published.py --only qwen2.5-0.5b,sdar-1.7b --blockwise ...
    python training/verification/verify_published.py --reference-only        # without the engine

Prints a Markdown table; the exit status is 1 if a case is further than 2e-5 · max |logit| from the reference.
"""

import argparse
import gc
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reference"))
import families as f  # noqa: E402

BOUND = 2e-5
REFERENCE = f"transformers {transformers.__version__}, torch {torch.__version__}, f32, eager attention"
LLAMA3 = {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


def llama(hidden, ffn, heads, kv, head_dim, vocab, **more):
    return f.Shape("llama", hidden, 2, heads, kv, head_dim, ffn, vocab, **{"dtype": "bfloat16", "theta": 5e5, **more})


def qwen(family, hidden, ffn, heads, kv, head_dim, vocab, **more):
    return f.Shape(family, hidden, 2, heads, kv, head_dim, ffn, vocab,
                   **{"dtype": "bfloat16", "theta": 1e6, "eps": 1e-6, "bos": 151643, "eos": 151645, **more})


# name: (published model, shape with two layers, cases, values recalled: not confirmed from a copy of the published file)
AUTOREGRESSIVE = ("causal", "tree")
MODELS = {
    "llama-2-7b": ("Llama-2-7b-hf", llama(4096, 11008, 32, 32, 128, 32000, theta=1e4, positions=4096, dtype="float16", bos=1, eos=2),
                   AUTOREGRESSIVE, ""),
    "llama-3.1-8b": ("Llama-3.1-8B", llama(4096, 14336, 32, 8, 128, 128256, positions=131072, bos=128000, eos=128001,
                                           rope_scaling={**LLAMA3, "factor": 8.0}), AUTOREGRESSIVE, ""),
    "llama-3.2-1b": ("Llama-3.2-1B", llama(2048, 8192, 32, 8, 64, 128256, positions=131072, tied=True, write_head_dim=True, bos=128000,
                                           eos=128001, rope_scaling={**LLAMA3, "factor": 32.0}), AUTOREGRESSIVE, ""),
    "mistral-7b": ("Mistral-7B-v0.1", f.Shape("mistral", 4096, 2, 32, 8, 128, 14336, 32000, dtype="bfloat16", window=4096,
                                              positions=32768, bos=1, eos=2), AUTOREGRESSIVE, "rope_theta, vocab_size"),
    "mistral-nemo": ("Mistral-Nemo-Base-2407", f.Shape("mistral", 5120, 2, 32, 8, 128, 14336, 131072, dtype="bfloat16", theta=1e6,
                                                       positions=128000, write_head_dim=True, bos=1, eos=2), AUTOREGRESSIVE,
                     "max_position_embeddings"),
    "qwen2.5-0.5b": ("Qwen2.5-0.5B", qwen("qwen2", 896, 4864, 14, 2, 64, 151936, tied=True, positions=32768), AUTOREGRESSIVE, ""),
    "qwen2.5-7b": ("Qwen2.5-7B", qwen("qwen2", 3584, 18944, 28, 4, 128, 152064, positions=131072), AUTOREGRESSIVE, ""),
    "qwen3-0.6b": ("Qwen3-0.6B", qwen("qwen3", 1024, 3072, 16, 8, 128, 151936, tied=True, positions=40960), AUTOREGRESSIVE, ""),
    "qwen3-8b": ("Qwen3-8B", qwen("qwen3", 4096, 12288, 32, 8, 128, 151936, positions=40960), AUTOREGRESSIVE, ""),
    "llada-8b": ("LLaDA-8B-Base", f.Shape("llada", 4096, 2, 32, 32, 128, 12288, 126464, dtype="bfloat16", theta=5e5, positions=4096,
                                          eos=126081, extra={"mask_token_id": 126336, "pad_token_id": 126081}), ("bidirectional",), ""),
    "dream-7b": ("Dream-v0-Base-7B", qwen("dream", 3584, 18944, 28, 4, 128, 152064, positions=131072, eos=151643,
                                          extra={"mask_token_id": 151666, "pad_token_id": 151643}), ("bidirectional", "context"),
                 "max_position_embeddings"),
    "sdar-1.7b": ("SDAR-1.7B-Chat", qwen("sdar", 2048, 6144, 16, 8, 128, 151936, tied=True, positions=40960,
                                         extra={"mask_token_id": 151669, "block_size": 4}), ("block4",),
                  "tie_word_embeddings, max_position_embeddings"),
    "fast-dllm-1.5b": ("Fast_dLLM_v2_1.5B", qwen("fast-dllm-qwen", 1536, 8960, 12, 2, 128, 151936, tied=True, positions=32768,
                                                 extra={"bd_size": 32}), ("block32",), "tie_word_embeddings"),
}

PARENTS = [-1, -1, 0, 0, 1, 3, 3]


def tokens(s: f.Shape, count: int) -> list:
    """Ids spread over the whole vocabulary, first and last row included."""
    g = torch.Generator().manual_seed(11)
    return [0, s.vocab - 1] + torch.randint(0, s.vocab, (count - 2,), generator=g).tolist()


def case(name: str, s: f.Shape):
    """(ids, prefix length, --visibility, mask, positions)"""
    if name == "causal":
        return tokens(s, 24), 0, "causal", f.causal(24), list(range(24))
    if name == "window":  # longer than the window: the last rows must not see the first keys
        n = s.window + 40
        return tokens(s, n), n - 8, "causal", f.causal(n), list(range(n))
    if name == "tree":
        mask, positions = f.tree(12, PARENTS)
        return tokens(s, 12 + len(PARENTS)), 12, "tree:" + ",".join(map(str, PARENTS)), mask, positions
    if name == "bidirectional":
        return tokens(s, 24), 0, "bidirectional", f.bidirectional(24), list(range(24))
    if name == "context":
        return tokens(s, 24), 0, "context-causal:10", f.context_causal(24, 10), list(range(24))
    block = int(name.removeprefix("block"))
    n = block * 2 + 3
    return tokens(s, n), 0, f"block-causal:{block}", f.block_causal(n, block), list(range(n))


MASKS = {"llada": ("<|mdm_mask|>", 126336), "dream": ("<|mask|>", 151666), "sdar": ("<|MASK|>", 151669),
         "fast-dllm-qwen": ("|<MASK>|", 151665)}


def write_tokenizer(folder: Path, s: f.Shape):
    """A model folder needs a tokenizer, though nothing is tokenised here: the 256 bytes, unused entries, and the family's mask token at its published id."""
    entries = sorted(pre_tokenizers.ByteLevel.alphabet())
    added = []
    if s.family in MASKS:
        text, i = MASKS[s.family]
        entries += [f"unused{j}" for j in range(len(entries), i)]
        added = [{"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    f.write_json(folder / "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "vocab": {e: i for i, e in enumerate(entries)}, "merges": []}})


def verify(name: str, options) -> list:
    published, s, cases, _ = MODELS[name]
    if options.long and s.window:
        cases = (*cases, "window")
    folder = Path(tempfile.mkdtemp(prefix=f"verify-{name}-", dir=options.work))
    try:
        tensors = f.weights(s, 1)
        f.write_folder(folder, s, tensors, shards=2 if s.hidden >= 3584 else 1)
        write_tokenizer(folder, s)
        if s.family in ("llama", "mistral", "qwen2", "qwen3"):
            tensors = {}  # the reference reads the folder: do not hold the weights twice
        model = f.reference(folder, s, tensors)
        expected = {}
        for c in cases:
            ids, prefix, _, mask, positions = case(c, s)
            started = time.monotonic()
            expected[c] = f.forward(model, ids, f.windowed(mask, positions, s.window), positions, rows=slice(prefix, None))
            print(f"{name} {c}: max |logit| {float(expected[c].abs().max()):.2f}, reference {time.monotonic() - started:.1f} s",
                  file=sys.stderr, flush=True)
            if not torch.isfinite(expected[c]).all():
                raise SystemExit(f"{name} {c}: the reference itself is not finite")
        del model, tensors
        gc.collect()
        if options.keep_reference:
            options.keep_reference.mkdir(parents=True, exist_ok=True)
            save_file(expected, options.keep_reference / f"{name}.safetensors")
        if options.reference_only:
            return [(name, c, float(e.abs().max()), None, None) for c, e in expected.items()]
        rows = []
        for c, e in expected.items():
            ids, prefix, visibility, _, _ = case(c, s)
            out = folder / "out.safetensors"
            command = [options.blockwise, "logits", "--model", str(folder), "--tokens", ",".join(map(str, ids)),
                       "--visibility", visibility, "--out", str(out)]
            if prefix:
                command += ["--prefix", str(prefix)]
            if options.threads:
                command += ["--threads", str(options.threads)]
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                print(f"{name} {c}: exit {done.returncode}: {done.stderr.strip()[-500:]}", file=sys.stderr, flush=True)
                rows.append((name, c, float(e.abs().max()), float("inf"), 0.0))
                continue
            got = load_file(out)["logits"]
            if got.shape != e.shape:
                raise SystemExit(f"{name} {c}: logits {list(got.shape)}, expected {list(e.shape)}")
            relative = float((got - e).abs().max() / e.abs().max())
            relative = relative if relative == relative else float("inf")
            rows.append((name, c, float(e.abs().max()), relative, float((got.argmax(-1) == e.argmax(-1)).float().mean())))
            print(f"{name} {c}: {relative:.2e}", file=sys.stderr, flush=True)
        return rows
    finally:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--blockwise", help="path of the engine's command")
    parser.add_argument("--only", help="names separated by commas: " + ", ".join(MODELS))
    parser.add_argument("--reference-only", action="store_true", help="run the Python half alone")
    parser.add_argument("--long", action="store_true", help="also a sequence longer than Mistral's window (about a minute)")
    parser.add_argument("--work", type=Path, help="where to put the checkpoints (up to 4 GB at a time)")
    parser.add_argument("--keep-reference", type=Path, help="keep the reference logits in this folder")
    parser.add_argument("--threads", type=int, default=0, help="threads of the engine (default: its own choice)")
    options = parser.parse_args()
    if not options.reference_only and not options.blockwise:
        parser.error("give --blockwise PATH or --reference-only")
    names = options.only.split(",") if options.only else list(MODELS)
    unknown = set(names) - set(MODELS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    torch.set_num_threads(max(1, options.threads or (os.cpu_count() or 1) // 2))

    print("| model | family | vocabulary × hidden | heads / kv × dim | stored | case | rows | max \\|logit\\| | max abs diff / max \\|logit\\| | arg-max equal |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    worst, notes = 0.0, []
    for name in names:
        published, s, _, unconfirmed = MODELS[name]
        if unconfirmed:
            notes.append(f"{published}: {unconfirmed}")
        for _, c, biggest, relative, agree in verify(name, options):
            ids, prefix = case(c, s)[:2]
            difference = "–" if relative is None else "failed" if relative == float("inf") else f"{relative:.1e}"
            worst = max(worst, relative or 0.0)
            mark = "\\*" if unconfirmed else ""
            print(f"| {published}{mark} | {s.family} | {s.vocab} × {s.hidden} | {s.heads} / {s.kv_heads} × {s.head_dim} "
                  f"| {s.dtype} | {c} | {len(ids) - prefix} | {biggest:.1f} | {difference} | {'–' if agree is None else f'{agree:.0%}'} |",
                  flush=True)
    if notes:
        print("\n\\* recalled, not confirmed from a copy of the published file: " + "; ".join(notes) + ".")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\nBound: {BOUND:g}. Reference: {REFERENCE}; its peak memory {peak:.1f} GB (mapped files included).")
    sys.exit(0 if worst <= BOUND else 1)


if __name__ == "__main__":
    main()
