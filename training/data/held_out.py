"""Writes the held-out sets that ship with the project.

    python -m training.data.held_out --out Models/tasks

The same command gives the same bytes. `--count N` makes bigger sets for finer standard errors.
"""

import argparse
import json
from pathlib import Path

from . import arithmetic, functions, lists, structured
from .samples import distinct
from .stories import tales

SEED = 20261124


def list_samples(task: str, per_length: int, names: bool):
    """Lists of 3 to 6 items, equally many of each length; of names 3 to 4."""
    lengths = (3, 4) if names else (3, 4, 5, 6)
    for n in lengths:
        yield from distinct(f"lists/{task}/{n}/{names}", lambda r: lists.make(r, task, n, names), SEED, "held_out", per_length)


def sets(scale: float = 1.0) -> dict:
    def number(n):
        return max(1, round(n * scale))

    def some(name, make, n):
        return distinct(name, make, SEED, "held_out", number(n))

    out = {"list": [], "names": [], "puzzle": [], "arithmetic": [], "json": [], "tools": [], "python": []}
    for task in lists.WORDINGS:
        out["list"] += list_samples(task, number(8), False)
        out["names"] += list_samples(task, number(2), True)
    for task in lists.PUZZLES:
        out["puzzle"] += some(task, lambda r: lists.make(r, task), 24)
    out["arithmetic"] = some("words", arithmetic.words, 48) + some("plain", lambda r: arithmetic.make(r, arithmetic.plain), 24)
    out["json"] = some("extract", structured.extract, 32) + some("invent", structured.invent, 24)
    out["tools"] = some("tools", structured.tool_call, 28)
    out["python"] = some("simple", functions.simple, 24) + some("pipeline", functions.pipeline, 24)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="how many times the shipped number of samples")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    total = 0
    for name, samples in sets(options.scale).items():
        counts = {}
        lines = []
        for sample in samples:
            i = counts[sample.task] = counts.get(sample.task, 0) + 1
            lines.append(json.dumps(sample.record(i), ensure_ascii=False, separators=(",", ":")) + "\n")
        path = options.out / f"{name}.jsonl"
        path.write_text("".join(lines), encoding="utf-8")
        total += path.stat().st_size
        print(f"{path}: {len(lines)} samples, {path.stat().st_size} bytes")
    stories = [{"id": f"story/{i}", "task": "story", "text": text} for i, (_, text) in enumerate(tales(SEED, "held_out", 16), 1)]
    path = options.out / "stories.jsonl"
    path.write_text("".join(json.dumps(s, ensure_ascii=False, separators=(",", ":")) + "\n" for s in stories), encoding="utf-8")
    print(f"{path}: {len(stories)} stories; {total + path.stat().st_size} bytes in all")


if __name__ == "__main__":
    main()
