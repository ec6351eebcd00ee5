"""Held-out perplexity and samples of an exported base model, computed from the GGUF file as it ships.

    python training/base/evaluate.py --run training/runs/base --gguf Models/base/base.gguf --samples 5
"""

import argparse
import json
import math
from pathlib import Path

import gguf
import torch
import torch.nn.functional as F
from export import gguf_name
from model import BaseModel, ModelConfig
from tokenizers import Tokenizer
from train_tokenizer import SPECIAL

PROMPTS = ["Once upon a time", "One day, a little girl named Lily", "Tom and his dog", "The old owl said,",
           "It was raining, and"]


def load(path: Path) -> BaseModel:
    """The model with the dequantised weights of the file."""
    reader = gguf.GGUFReader(path)

    def value(key):
        return reader.fields[f"qwen2.{key}"].contents()

    stored = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    config = ModelConfig(
        vocab_size=value("vocab_size"), hidden_size=value("embedding_length"), intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"), num_attention_heads=value("attention.head_count"),
        num_key_value_heads=value("attention.head_count_kv"), max_position_embeddings=value("context_length"),
        rope_theta=value("rope.freq_base"), rms_norm_eps=value("attention.layer_norm_rms_epsilon"))
    model = BaseModel(config)
    state = {k: torch.from_numpy(stored.pop(gguf_name(k)).copy()).float() for k in model.state_dict()}
    if stored:
        raise SystemExit(f"{path}: unexpected tensors {sorted(stored)}")
    model.load_state_dict(state)
    return model.eval()


@torch.no_grad()
def held_out(model, tokenizer, documents, end: int, stride: int = 256):
    """(nats, tokens, bytes): every token of every document is predicted, the first one after the end-of-text token.
    Longer documents slide: each window of 512 scores what the one before it has not."""
    length = model.config.max_position_embeddings
    nats, count, size = 0.0, 0, 0
    for document in documents:
        ids = [end] + tokenizer.encode(document, add_special_tokens=False).ids + [end]
        size += len(document.encode())
        start, scored = 0, 0  # `scored` targets are done: target j is ids[j + 1]
        while scored < len(ids) - 1:
            window = torch.tensor([ids[start:start + length + 1]])
            losses = F.cross_entropy(model(window[:, :-1])[0], window[0, 1:], reduction="none")
            fresh = losses[scored - start:]
            nats, count, scored = nats + fresh.sum().item(), count + len(fresh), scored + len(fresh)
            start += stride
    return nats, count, size


@torch.no_grad()
def sample(model, tokenizer, prompt: str, end: int, seed: int, temperature=0.8, top_p=0.95, limit=250) -> str:
    g = torch.Generator().manual_seed(seed)
    ids = tokenizer.encode(prompt, add_special_tokens=False).ids
    for _ in range(limit):
        p = F.softmax(model(torch.tensor([ids[-model.config.max_position_embeddings:]]))[0, -1] / temperature, dim=-1)
        values, order = p.sort(descending=True)
        values[values.cumsum(0) - values > top_p] = 0
        token = int(order[torch.multinomial(values, 1, generator=g)])
        if token == end:
            break
        ids.append(token)
    return tokenizer.decode(ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--documents", type=int, default=150, help="at most so many held-out documents per source")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(options.run / "tokenizer.json"))
    model, end = load(options.gguf), tokenizer.token_to_id(SPECIAL[0])
    print("| held-out text | documents | tokens | loss (nats per token) | perplexity per token | bits per byte |\n|---|---|---|---|---|---|")
    for path in sorted(options.run.glob("text-*.json")):
        documents = json.loads(path.read_text())["held_out"]
        documents = documents[::max(1, -(-len(documents) // options.documents))]
        nats, count, size = held_out(model, tokenizer, documents, end)
        print(f"| {path.stem.removeprefix('text-')} | {len(documents)} | {count} | {nats / count:.3f} | {math.exp(nats / count):.2f} "
              f"| {nats / math.log(2) / size:.3f} |", flush=True)
    for i, prompt in enumerate((PROMPTS * options.samples)[:options.samples]):
        text = sample(model, tokenizer, prompt, end, options.seed + i)
        print(f"\n### {prompt!r}, seed {options.seed + i}, temperature 0.8, top-p 0.95\n\n{text}", flush=True)


if __name__ == "__main__":
    main()
