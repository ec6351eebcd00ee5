"""Accuracy per held-out task with standard errors, held-out loss, and unedited samples.

    python -m training.models.evaluate --model training/runs/base --tasks Models/tasks
    python -m training.models.evaluate --model training/runs/base-diffusion --decoder blocks --block-size 8 --tasks Models/tasks
    python -m training.models.evaluate --model training/runs/base --loss training/runs/base --samples 10

`--model` is a run's folder, a Hugging Face folder or a GGUF file. Python written by a model runs only with `--run-code`.
"""

import argparse
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from ..data import checks
from ..data.chat import render
from .batches import Source, Special
from .decode import DECODERS
from .export import read_weights
from .network import Network

PROMPTS = ["Once upon a time", "One day, a little girl named Lily", "Tom and his dog", "The old owl said,", "It was raining, and"]


def load(path: Path) -> Network:
    config, weights = read_weights(path)
    model = Network(config)
    model.load_state_dict(weights)
    return model.eval()


def records(folder: Path, groups) -> list:
    out = []
    for path in sorted(folder.glob("*.jsonl")):
        if groups is None or path.stem in groups:
            out += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [r for r in out if "check" in r]


def error(p: float, n: int) -> float:
    return math.sqrt(p * (1 - p) / n)


def tasks(model, tokenizer, options) -> dict:
    found = records(options.tasks, options.groups)
    if not options.run_code:
        found = [r for r in found if r["check"]["kind"] != "python"]
    prompts = [tokenizer.encode(render(r["messages"], r.get("tools", []), generate=True), add_special_tokens=False).ids for r in found]
    order = sorted(range(len(found)), key=lambda i: (len(prompts[i]), i))
    results, answers = {}, []
    decoder = DECODERS[options.decoder]
    for first in range(0, len(order), options.batch):
        group = order[first:first + options.batch]
        rows, passes = decoder(model, [prompts[i] for i in group], limit=options.limit, block_size=options.block_size,
                               threshold=options.threshold, special=Special.of(tokenizer))
        for i, row, count in zip(group, rows, passes):
            text, r = tokenizer.decode(row, skip_special_tokens=False), found[i]
            entry = results.setdefault(r["task"], {"n": 0, "right": 0, "strict": 0, "tokens": 0, "passes": 0})
            right = checks.check(r["check"], text)
            entry["n"] += 1
            entry["right"] += right
            entry["strict"] += right and checks.is_strict_list(text)
            entry["tokens"] += len(row) + 1
            entry["passes"] += count
            answers.append({"id": r["id"], "right": right, "answer": text})
    print("| task | n | accuracy | strict | tokens per pass |\n|---|---|---|---|---|")
    groups = {}
    for task in sorted(results):
        e = results[task]
        p = e["right"] / e["n"]
        strict = f"{e['strict'] / e['n']:.1%}" if task.startswith(("list/", "names/")) and task.split("/")[1] != "index" else "–"
        print(f"| {task} | {e['n']} | {p:.1%} ± {error(p, e['n']):.1%} | {strict} | {e['tokens'] / max(1, e['passes']):.2f} |")
        groups.setdefault(task.split("/")[0], []).append(p)
    for group, accuracies in groups.items():
        print(f"| **{group}**, mean of {len(accuracies)} | | {sum(accuracies) / len(accuracies):.1%} | | |")
    every = [e["right"] / e["n"] for e in results.values()]
    spread = math.sqrt(sum(error(e["right"] / e["n"], e["n"]) ** 2 for e in results.values())) / max(1, len(every))
    print(f"| **mean of {len(every)} tasks** | | {sum(every) / max(1, len(every)):.1%} ± {spread:.1%} | | |", flush=True)
    if options.answers:
        options.answers.write_text("".join(json.dumps(a, ensure_ascii=False) + "\n" for a in answers), encoding="utf-8")
    return results


@torch.no_grad()
def loss(model, folder: Path, end_id: int, length: int = 512, stride: int = 256):
    """Every token of every held-out document is predicted, the first one after the end-of-text token. Longer documents
    slide: each window scores what the one before it has not."""
    print("| held-out text | documents | tokens | loss (nats per token) | perplexity per token | bits per byte |\n|---|---|---|---|---|---|")
    for path in sorted(folder.glob("tokens-*-held_out.npz")):
        source = Source(path)
        nats, count = 0.0, 0
        for start, end in zip(source.starts[:-1], source.starts[1:]):
            ids = torch.tensor([end_id, *source.ids[start:end].tolist()])
            begin, scored = 0, 0
            while scored < len(ids) - 1:
                window = ids[None, begin:begin + length + 1]
                losses = F.cross_entropy(model(window[:, :-1])[0].float(), window[0, 1:], reduction="none")[scored - begin:]
                nats, count, scored, begin = nats + losses.sum().item(), count + len(losses), scored + len(losses), begin + stride
        print(f"| {path.name.split('-')[1]} | {len(source.starts) - 1} | {count} | {nats / count:.3f} | {math.exp(nats / count):.2f} "
              f"| {nats / math.log(2) / source.bytes:.3f} |", flush=True)


@torch.no_grad()
def sample(model, tokenizer, prompt: str, seed: int, temperature=0.8, top_p=0.95, limit=300) -> str:
    g, special = torch.Generator().manual_seed(seed), Special.of(tokenizer)
    ids, caches = tokenizer.encode(prompt, add_special_tokens=False).ids, [[] for _ in model.model.layers]
    fresh, before = ids, 0
    for _ in range(limit):
        n = len(fresh)
        mask = torch.ones(n, before + n, dtype=torch.bool).tril(diagonal=before)[None, None]
        hidden = model.hidden(torch.tensor([fresh]), torch.arange(before, before + n), mask, caches)
        p = F.softmax(model.logits(hidden[0, -1]).float() / temperature, dim=-1)
        values, order = p.sort(descending=True)
        values[values.cumsum(0) - values > top_p] = 0
        token = int(order[torch.multinomial(values, 1, generator=g)])
        if token in (special.end, special.turn):
            break
        before, fresh = before + n, [token]
        ids.append(token)
    return tokenizer.decode(ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json (default: beside the model)")
    parser.add_argument("--tasks", type=Path, help="folder of held-out sets, such as Models/tasks")
    parser.add_argument("--groups", nargs="*", help="only these files of it: list names puzzle arithmetic json tools python")
    parser.add_argument("--decoder", choices=sorted(DECODERS), default="autoregressive")
    parser.add_argument("--block-size", type=int, default=32)
    parser.add_argument("--threshold", type=float, help="commit also every token more probable than this (default: one a pass)")
    parser.add_argument("--limit", type=int, default=160, help="new tokens; the length of the answer for `masked`")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--answers", type=Path, help="write every answer as JSON lines")
    parser.add_argument("--run-code", action="store_true", help="run the Python that the model writes, in a limited process")
    parser.add_argument("--loss", type=Path, help="folder with tokens-*-held_out.npz")
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load(options.model)
    folder = options.model if options.model.is_dir() else options.model.parent
    tokenizer = Tokenizer.from_file(str(options.tokenizer or folder / "tokenizer.json"))
    if options.tasks:
        tasks(model, tokenizer, options)
    if options.loss:
        loss(model, options.loss, Special.of(tokenizer).end)
    for i in range(options.samples):
        prompt, seed = PROMPTS[i % len(PROMPTS)], options.seed + i
        print(f"\n### {prompt!r}, seed {seed}, temperature 0.8, top-p 0.95\n\n{sample(model, tokenizer, prompt, seed)}", flush=True)


if __name__ == "__main__":
    main()
