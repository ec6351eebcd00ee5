"""Prefill of a prompt in PyTorch with f32 weights: the yardstick for reading prompts.

    python training/peer/torch_prefill.py --threads 2

Needs the Python package torch; no model file. A plain decoder with random weights in the shape of Qwen2.5-0.5B ("q05"):
RMS norms, grouped-query attention with rotary positions through scaled_dot_product_attention, SwiGLU, tied head; logits
of the last row only. With --model a Blockwise prefill of the same length is measured in turn, sample by sample.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import torch
from torch.nn import functional

SHAPES = {
    "q05": dict(hidden=896, layers=24, heads=14, groups=2, inner=4864, vocabulary=151936, base=1e6, bias=True),
    "tiny": dict(hidden=64, layers=2, heads=4, groups=2, inner=128, vocabulary=512, base=1e4, bias=True),
}


class Layer(torch.nn.Module):
    def __init__(self, hidden, heads, groups, inner, bias):
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, hidden // heads
        self.attention_norm = torch.nn.RMSNorm(hidden, eps=1e-6)
        self.query_key_value = torch.nn.Linear(hidden, (heads + 2 * groups) * self.size, bias=bias)
        self.output = torch.nn.Linear(hidden, hidden, bias=False)
        self.feed_forward_norm = torch.nn.RMSNorm(hidden, eps=1e-6)
        self.gate_up = torch.nn.Linear(hidden, 2 * inner, bias=False)
        self.down = torch.nn.Linear(inner, hidden, bias=False)

    def forward(self, x, cosines, sines, is_causal):
        rows = x.shape[0]
        found = self.query_key_value(self.attention_norm(x)).view(rows, self.heads + 2 * self.groups, self.size)
        query, key, value = found.transpose(0, 1).split([self.heads, self.groups, self.groups])
        query, key = rotated(query, cosines, sines), rotated(key, cosines, sines)
        attended = functional.scaled_dot_product_attention(
            query[None], key[None], value[None], is_causal=is_causal, enable_gqa=True)[0]
        x = x + self.output(attended.transpose(0, 1).reshape(rows, -1))
        gate, up = self.gate_up(self.feed_forward_norm(x)).chunk(2, dim=-1)
        return x + self.down(functional.silu(gate) * up)


def rotated(x, cosines, sines):
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)


class Decoder(torch.nn.Module):
    def __init__(self, hidden, layers, heads, groups, inner, vocabulary, base, bias):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocabulary, hidden)
        self.layers = torch.nn.ModuleList(Layer(hidden, heads, groups, inner, bias) for _ in range(layers))
        self.norm = torch.nn.RMSNorm(hidden, eps=1e-6)
        size = hidden // heads
        self.frequencies = base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)

    def forward(self, tokens, is_causal=True, every_row=False):
        angles = torch.arange(len(tokens), dtype=torch.float64)[:, None] * self.frequencies
        cosines, sines = angles.cos().float(), angles.sin().float()
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, cosines, sines, is_causal)
        return functional.linear(self.norm(x if every_row else x[-1:]), self.embedding.weight)


def our_seconds(args):
    command = [args.blockwise, "bench", "prefill", "--model", args.model, "--tokens", str(args.tokens), "--json"]
    command += ["--threads", str(args.threads), "--samples", "1"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return report["results"][0]["median_ms"] / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="q05")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, default=9)
    parser.add_argument("--model", help="GGUF file of the same shape for Blockwise")
    parser.add_argument("--blockwise", default=".build/release/blockwise")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    shape = SHAPES[args.shape]
    peer, ours = [], []
    with torch.inference_mode():
        decoder = Decoder(**shape).eval()
        tokens = torch.arange(args.tokens) * 7919 % shape["vocabulary"]
        for sample in range(args.samples + 1):
            print(f"sample {sample} of {args.samples}", file=sys.stderr)
            begin = time.perf_counter()
            logits = decoder(tokens)
            seconds = time.perf_counter() - begin
            if not torch.isfinite(logits).all():
                sys.exit("logits are not finite")
            # The first one only warms up.
            if sample > 0:
                peer.append(seconds)
                if args.model:
                    ours.append(our_seconds(args))
    found = {"shape": args.shape, "tokens": args.tokens, "threads": args.threads, "torch": torch.__version__}
    for name, times in (("torch", peer), ("blockwise", ours)):
        if times:
            found[name + "_tokens_per_second"] = args.tokens / statistics.median(times)
            found[name + "_best_tokens_per_second"] = args.tokens / min(times)
    if args.json:
        print(json.dumps(found))
        return
    print(f"| prefill of {args.tokens} tokens, {args.threads} threads | tokens/s | best |")
    print("|---|---|---|")
    for name, label in (("torch", f"PyTorch {torch.__version__} f32"), ("blockwise", "Blockwise")):
        if name + "_tokens_per_second" in found:
            print(f"| {label} | {found[name + '_tokens_per_second']:.1f} | {found[name + '_best_tokens_per_second']:.1f} |")


if __name__ == "__main__":
    main()
