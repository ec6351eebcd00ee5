"""Trains the byte-level BPE tokenizer that all our models share.

    python -m training.models.tokenizer --run training/runs/base

Digits are single tokens, and so is every item of the list tasks where it stands between quotes; the command fails if
one is not.
"""

import argparse
import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from ..data.lists import LETTERS, WORDS

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|mask|>"]
TOOL = ["<tool_call>", "</tool_call>"]  # one token each, but text

# The split pattern of Qwen2: llama.cpp knows it as `pre = qwen2`, so the GGUF file needs no pattern of its own.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train(texts, vocabulary_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in TOOL])
    return tokenizer


def check(tokenizer: Tokenizer):
    for item in [*LETTERS, *WORDS, *"0123456789"]:
        count = len(tokenizer.encode(f'["{item}", "{item}"]', add_special_tokens=False).ids)
        if count != 6:  # [" A ", " A "]
            raise SystemExit(f"{item!r} is not one token in a list: {tokenizer.encode(f'[{chr(34)}{item}').tokens}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--vocabulary", type=int, default=4096)
    options = parser.parse_args()

    texts = json.loads((options.run / "tokenizer-texts.json").read_text())
    tokenizer = train(texts, options.vocabulary - len(TOOL))
    check(tokenizer)
    tokenizer.save(str(options.run / "tokenizer.json"))
    size = sum(len(t.encode()) for t in texts)
    count = sum(len(e.ids) for e in tokenizer.encode_batch(texts))
    print(f"{tokenizer.get_vocab_size()} entries, {size / count:.2f} bytes per token over {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
