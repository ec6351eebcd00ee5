"""One step of a diffusion model beside llama.cpp and PyTorch in the same run.

    python training/peer/denoise_step.py q05-q8_0.gguf --rounds 9

A step computes rows of masks and what each of them predicts. llama.cpp's diffusion example and the published PyTorch samplers
compute the whole canvas in every step; Blockwise also keeps what lies before a block and computes the block alone. Rounds alternate:
Blockwise, llama.cpp (llama-cpp-python), PyTorch in f32 (random weights in the shape of Qwen2.5-0.5B, nothing masked).
"""

import argparse
import json
import statistics
import sys
import time

import torch

from compare_forward import our_round, peer_round
from torch_prefill import SHAPES, Decoder


def torch_round(decoder, rows, vocabulary):
    tokens = torch.arange(rows) * 7919 % vocabulary
    begin = time.perf_counter()
    logits = decoder(tokens, is_causal=False, every_row=True)
    milliseconds = (time.perf_counter() - begin) * 1e3
    if not torch.isfinite(logits).all():
        sys.exit("logits are not finite")
    return milliseconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--block", type=int, default=32)
    parser.add_argument("--canvas", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="q05")
    parser.add_argument("--blockwise", default=".build/release/blockwise")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    shape = SHAPES[args.shape]
    block, canvas = args.block, args.canvas
    found = {}

    def note(name, milliseconds):
        found.setdefault(name, []).append(milliseconds)

    with torch.inference_mode():
        decoder = Decoder(**shape).eval()
        for rows in (block, canvas):
            torch_round(decoder, rows, shape["vocabulary"])
        for turn in range(args.rounds):
            print(f"round {turn + 1} of {args.rounds}", file=sys.stderr)
            points, _ = our_round(args.blockwise, args.model, [block, canvas], [0, canvas - block], args.threads, 1)
            note(f"Blockwise, canvas of {block}", points[f"0,{block}"][0])
            note(f"Blockwise, canvas of {canvas}", points[f"0,{canvas}"][0])
            note(f"Blockwise, block of {block} behind {canvas - block} kept positions", points[f"{canvas - block},{block}"][0])
            points = peer_round(args.model, [block, canvas], [0], args.threads, 1)
            note(f"llama.cpp, canvas of {block}", points[f"0,{block}"][0])
            note(f"llama.cpp, canvas of {canvas}", points[f"0,{canvas}"][0])
            for rows in (block, canvas):
                note(f"PyTorch {torch.__version__} f32, canvas of {rows}", torch_round(decoder, rows, shape["vocabulary"]))
    if args.json:
        print(json.dumps(found))
        return
    print(f"| step, {args.threads} threads, {args.rounds} rounds | median ms | min ms |")
    print("|---|---|---|")
    for name in sorted(found):
        print(f"| {name} | {statistics.median(found[name]):.1f} | {min(found[name]):.1f} |")


if __name__ == "__main__":
    main()
