"""Questions without answers for `blockwise tune ngrams`: what the model is asked for, but never what it is judged by.

    python -m training.data.prompts --out training/runs/prompts.jsonl
    blockwise tune ngrams --model base --prompts training/runs/prompts.jsonl --out Models/base/draft.ngrams --max-tokens 220

Everything comes from our own generators, from their training split. Half of the tales are asked for in a chat; of the others the first
words are the prompt, few or many.
"""

import argparse
import json
import random
from pathlib import Path

from . import arithmetic, functions, lists, structured, talk
from .stories import tales

SEED = 20299
COUNTS = {"lists": 15000, "arithmetic": 6250, "structured": 6250, "functions": 3000, "talk": 1000, "tales": 10000}
GENERATORS = {"lists": lists, "arithmetic": arithmetic, "structured": structured, "functions": functions, "talk": talk}


def prompts(scale: float):
    """Lines of the file, mixed, so that any part of it has some of everything."""
    found = []
    for name, generator in GENERATORS.items():
        for sample in generator.generate(SEED, "train", round(scale * COUNTS[name])):
            found.append({"messages": sample.messages(False)} | ({"tools": sample.tools} if sample.tools else {}))
    r = random.Random(SEED)
    for request, text in tales(SEED, "train", round(scale * COUNTS["tales"])):
        if request is not None:
            found.append({"messages": [{"role": "user", "content": request}]})
        else:
            found.append({"prompt": " ".join(text.split(" ")[: r.choice((3, 4, 6, 9, 12, 16))])})
    r.shuffle(found)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of prompts")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in prompts(options.scale)))


if __name__ == "__main__":
    main()
