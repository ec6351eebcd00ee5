"""Speculative decoding of the shipped `base` beside llama.cpp's prompt lookup and transformers' assisted generation.

    python training/peer/speculative.py --prompts questions.jsonl --blockwise .build/release/blockwise --rounds 9

The prompts are lines with "messages" (such as those of Models/tasks). Every round asks all of them greedily in every engine,
one after the other. The table gives tokens per second behind the first token, which comes with the prompt, as medians over the
rounds, and the speed-up over plain decoding in the same engine. llama.cpp reads the same GGUF file, transformers folders:

    blockwise quantize Models/base/base.gguf base-hf --format f32
    blockwise quantize Models/draft/draft.gguf draft-hf --format f32

Needs torch, transformers and llama-cpp-python.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from llama_cpp import Llama
from llama_cpp.llama_speculative import LlamaPromptLookupDecoding
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from training.data.chat import render

WAYS = ["ar", "auto", "suffix+adaptive+recycle", "lookup(2,10),shape=all",
        "ngram(3):Models/base/draft.ngrams,shape=best(3)", "model(4):draft,shape=all"]


def blockwise(options) -> dict:
    command = [options.blockwise, "bench", "decode", "--prompts", options.prompts, "--tokens", str(options.tokens),
               "--samples", "1", "--temperature", "0", "--threads", str(options.threads), "--json"]
    for way in WAYS[1:]:
        command += ["--draft", way]
    results = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["results"]
    return {f"Blockwise {way}": (r["tokens"] - r["prompts"]) / r["seconds"] for way, r in zip(WAYS, results)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--blockwise", default=".build/release/blockwise")
    parser.add_argument("--gguf", default="Models/base/base.gguf")
    parser.add_argument("--folder", default="training/runs/base/hf")
    parser.add_argument("--draft", default="training/runs/draft/hf")
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tokenizer = Tokenizer.from_file(str(Path(options.folder) / "tokenizer.json"))
    end = tokenizer.token_to_id("<|im_end|>")
    lines = [json.loads(line) for line in Path(options.prompts).read_text(encoding="utf-8").splitlines() if line]
    prompts = [tokenizer.encode(render(r["messages"], r.get("tools", []), generate=True), add_special_tokens=False).ids
               for r in lines]

    def llama(draft):
        return Llama(options.gguf, n_ctx=1024, n_threads=options.threads, n_threads_batch=options.threads, logits_all=draft is not None,
                     draft_model=draft, verbose=False)

    engines = {"llama.cpp plain": llama(None),
               "llama.cpp prompt lookup (2, 10)": llama(LlamaPromptLookupDecoding(max_ngram_size=2, num_pred_tokens=10))}
    model = AutoModelForCausalLM.from_pretrained(options.folder, dtype=torch.float32).eval()
    draft = AutoModelForCausalLM.from_pretrained(options.draft, dtype=torch.float32).eval()
    assisted = {"transformers plain": {}, "transformers prompt lookup 10": {"prompt_lookup_num_tokens": 10},
                "transformers assisted by draft": {"assistant_model": draft}}

    def run_llama(engine):
        count, seconds = 0, 0.0
        for prompt in prompts:
            engine.reset()
            for produced, token in enumerate(engine.generate(prompt, temp=0.0, top_k=1, reset=True)):
                if produced == 0:
                    start = time.perf_counter()
                if token == end:
                    break
                count += produced > 0
                if produced + 1 == options.tokens:
                    break
            seconds += time.perf_counter() - start
        return count / seconds

    def run_transformers(extra):
        def ask(prompt, limit):
            start = time.perf_counter()
            out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                                 max_new_tokens=limit, do_sample=False, eos_token_id=end, pad_token_id=end, **extra)
            return out.shape[1] - len(prompt), time.perf_counter() - start

        count, seconds = 0, 0.0
        with torch.no_grad():
            for prompt in prompts:
                # What one token takes is the prompt's part.
                _, first = ask(prompt, 1)
                new, whole = ask(prompt, options.tokens)
                count += new - 1
                seconds += max(0.0, whole - first)
        return count / max(1e-9, seconds)

    samples = {}
    for round in range(options.rounds + 1):
        speeds = blockwise(options)
        speeds |= {name: run_llama(engine) for name, engine in engines.items()}
        speeds |= {name: run_transformers(extra) for name, extra in assisted.items()}
        if round:
            for name, speed in speeds.items():
                samples.setdefault(name, []).append(speed)
        print(f"round {round} of {options.rounds}", file=sys.stderr)
    print("| engine | tokens per second | over its plain |\n|---|---|---|")
    for name, values in samples.items():
        plain = "Blockwise ar" if name.startswith("Blockwise") else name.split()[0] + " plain"
        median = statistics.median(values)
        print(f"| {name} | {median:.0f} | {median / statistics.median(samples[plain]):.2f} |")


if __name__ == "__main__":
    main()
