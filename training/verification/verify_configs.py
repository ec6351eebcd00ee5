"""Checks an engine at the dimensions of published configurations that `transformers` itself can build.

Where `verify_published.py` writes families that have no class in `transformers`, this takes a published config.json
with few layers, lets `transformers` make the model, fills it with seeded random weights, computes logits in f32 (eager
attention) and saves the folder as `transformers` saves it; then `blockwise logits` computes the same. One checkpoint
at a time, deleted afterwards.

    python training/verification/verify_configs.py --blockwise .build/release/blockwise [--only gemma-3-1b,pythia-160m]

Prints a Markdown table; the exit status is 1 if a case is further than 2e-5 · max |logit| from the reference.
"""

import argparse
import gc
import json
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

BOUND = 2e-5
LONGROPE = {"type": "longrope", "short_factor": [1 + 0.02 * i for i in range(48)],
            "long_factor": [1 + 0.9 * i for i in range(48)]}
PARTIAL = {"type": "longrope", "short_factor": [1.0] * 48, "long_factor": [1 + 0.6 * i for i in range(48)]}
GEMMA = {"hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6, "attention_bias": False}

# name: (published model, config.json as recalled, cases, values that are doubtful)
MODELS = {
    "smollm2-135m": ("SmolLM2-135M", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 49152, "hidden_size": 576,
        "intermediate_size": 1536, "num_hidden_layers": 2, "num_attention_heads": 9, "num_key_value_heads": 3,
        "rope_theta": 100000, "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "max_position_embeddings": 8192}, (24,), ""),
    "smollm3-3b": ("SmolLM3-3B", {
        "architectures": ["SmolLM3ForCausalLM"], "model_type": "smollm3", "vocab_size": 128256, "hidden_size": 2048,
        "intermediate_size": 11008, "num_hidden_layers": 4, "num_attention_heads": 16, "num_key_value_heads": 4,
        "no_rope_layer_interval": 4, "no_rope_layers": [1, 1, 1, 0], "rope_theta": 5000000.0, "rms_norm_eps": 1e-6,
        "max_position_embeddings": 65536, "use_sliding_window": False, "attention_bias": False, "mlp_bias": False}, (24,),
        "rope_theta, tie_word_embeddings"),
    "gemma-2-2b": ("gemma-2-2b", {
        "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "vocab_size": 256000, "hidden_size": 2304,
        "intermediate_size": 9216, "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
        "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "sliding_window": 4096,
        "rope_theta": 10000.0, "max_position_embeddings": 8192, **GEMMA}, (24,), ""),
    "gemma-3-1b": ("gemma-3-1b-pt", {
        "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "vocab_size": 262144, "hidden_size": 1152,
        "intermediate_size": 6912, "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256,
        "query_pre_attn_scalar": 256, "sliding_window": 512, "sliding_window_pattern": 6, "rope_theta": 1000000,
        "rope_local_base_freq": 10000, "rope_scaling": None, "max_position_embeddings": 32768, **GEMMA}, (24, 600), ""),
    "gemma-3-4b": ("gemma-3-4b-pt, text part", {
        "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "image_token_index": 262144,
        "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 6,
                        "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}}, (24,), ""),
    "phi-3-mini-128k": ("Phi-3-mini-128k-instruct", {
        "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "vocab_size": 32064, "hidden_size": 3072,
        "intermediate_size": 8192, "num_hidden_layers": 2, "num_attention_heads": 32, "num_key_value_heads": 32,
        "rope_scaling": LONGROPE, "original_max_position_embeddings": 4096, "max_position_embeddings": 131072,
        "sliding_window": 262144, "rope_theta": 10000.0, "rms_norm_eps": 1e-5, "tie_word_embeddings": False}, (24,),
        "rope factors"),
    "phi-4-mini": ("Phi-4-mini-instruct", {
        "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "vocab_size": 200064, "hidden_size": 3072,
        "intermediate_size": 8192, "num_hidden_layers": 2, "num_attention_heads": 24, "num_key_value_heads": 8,
        "partial_rotary_factor": 0.75, "rope_scaling": PARTIAL, "original_max_position_embeddings": 4096,
        "max_position_embeddings": 131072, "sliding_window": 262144, "rope_theta": 10000.0, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True}, (24,), "rope factors"),
    "pythia-160m": ("pythia-160m", {
        "architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "vocab_size": 50304, "hidden_size": 768,
        "intermediate_size": 3072, "num_hidden_layers": 2, "num_attention_heads": 12, "rotary_pct": 0.25,
        "rotary_emb_base": 10000, "layer_norm_eps": 1e-5, "hidden_act": "gelu", "use_parallel_residual": True,
        "tie_word_embeddings": False, "max_position_embeddings": 2048}, (24,), ""),
    "pythia-2.8b": ("pythia-2.8b", {
        "architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "vocab_size": 50304, "hidden_size": 2560,
        "intermediate_size": 10240, "num_hidden_layers": 2, "num_attention_heads": 32, "rotary_pct": 0.25,
        "rotary_emb_base": 10000, "layer_norm_eps": 1e-5, "hidden_act": "gelu", "use_parallel_residual": True,
        "tie_word_embeddings": False, "max_position_embeddings": 2048}, (24,), ""),
    "qwen3-30b-a3b": ("Qwen3-30B-A3B", {
        "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "vocab_size": 151936, "hidden_size": 2048,
        "intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8,
        "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [], "num_hidden_layers": 2,
        "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "rope_theta": 1000000.0, "rms_norm_eps": 1e-6,
        "max_position_embeddings": 40960, "tie_word_embeddings": False, "attention_bias": False,
        "use_sliding_window": False}, (24,), ""),
}


def fill(model, gemma: bool):
    """Seeded random weights, rounded to bfloat16: the residual stream stays near 1, the logits spread over a few units."""
    tied = model.config.tie_word_embeddings
    for name, p in model.named_parameters():
        g = torch.Generator().manual_seed(1_000_003 + zlib.crc32(name.encode()))
        if p.dim() == 1:
            scale, offset = (0.3, 0.0) if name.endswith("bias") else (0.1, 0.0 if gemma else 1.0)
        elif "embed" in name and "out" not in name:
            scale, offset = (3.0 / p.shape[1] ** 0.5, 0.0) if tied else (1.0, 0.0)
        elif "lm_head" in name or "embed_out" in name:
            scale, offset = 3.0 / p.shape[1] ** 0.5, 0.0
        else:
            scale, offset = 1.2 / p.shape[-1] ** 0.5, 0.0
        flat = p.data.view(-1)
        for first in range(0, flat.numel(), 1 << 24):
            part = flat[first:first + (1 << 24)]
            part.copy_((torch.randn(part.shape, generator=g) * scale + offset).bfloat16().float())


def text_config(published: dict) -> dict:
    return published.get("text_config", published)


def verify(name: str, options) -> list:
    _, published, cases, _ = MODELS[name]
    folder = Path(tempfile.mkdtemp(prefix=f"verify-{name}-", dir=options.work))
    try:
        (folder / "config.json").write_text(json.dumps(text_config(published)))
        config = AutoConfig.from_pretrained(folder)
        config.dtype = torch.float32
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
        fill(model, config.model_type.startswith("gemma"))
        expected = {}
        g = torch.Generator().manual_seed(11)
        for count in cases:
            ids = [0, config.vocab_size - 1] + torch.randint(0, config.vocab_size, (count - 2,), generator=g).tolist()
            with torch.no_grad():
                logits = model(torch.tensor([ids]), use_cache=False).logits[0]
            prefix = count - 8 if count > 64 else 0
            expected[count] = (ids, prefix, logits[prefix:].float().clone())
        model.bfloat16().save_pretrained(folder, max_shard_size="2GB")
        del model
        gc.collect()
        if "text_config" in published:
            for file in folder.glob("*.safetensors"):
                save_file({"language_model." + k: v for k, v in load_file(file).items()}, file)
            index = folder / "model.safetensors.index.json"
            if index.exists():
                content = json.loads(index.read_text())
                content["weight_map"] = {"language_model." + k: v for k, v in content["weight_map"].items()}
                index.write_text(json.dumps(content))
        (folder / "config.json").write_text(json.dumps(published))  # the keys as they were published
        rows = []
        for count, (ids, prefix, reference) in expected.items():
            out = folder / "out.safetensors"
            command = [options.blockwise, "logits", "--model", str(folder), "--tokens", ",".join(map(str, ids)),
                       "--prefix", str(prefix), "--out", str(out)]
            if "original_max_position_embeddings" in published:
                command += ["--context", str(published["original_max_position_embeddings"])]  # the short factors
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                print(f"{name}: exit {done.returncode}: {done.stderr.strip()[-500:]}", file=sys.stderr, flush=True)
                rows.append((config, count - prefix, count, reference, float("inf"), 0.0))
                continue
            got = load_file(out)["logits"]
            relative = float((got - reference).abs().max() / reference.abs().max())
            rows.append((config, count - prefix, count, reference, relative if relative == relative else float("inf"),
                         float((got.argmax(-1) == reference.argmax(-1)).float().mean())))
        return rows
    finally:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--blockwise", required=True, help="path of the engine's command")
    parser.add_argument("--only", help="names separated by commas: " + ", ".join(MODELS))
    parser.add_argument("--work", type=Path, help="where to put the checkpoints (up to 4 GB at a time)")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(MODELS)
    if unknown := set(names) - set(MODELS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    print("| model | family | vocabulary × hidden | heads / kv × dim | layers | tokens | rows | max \\|logit\\| "
          "| max abs diff / max \\|logit\\| | arg-max equal |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    worst, notes = 0.0, []
    for name in names:
        published, _, _, unconfirmed = MODELS[name]
        if unconfirmed:
            notes.append(f"{published}: {unconfirmed}")
        for config, rows, count, reference, relative, agree in verify(name, options):
            worst = max(worst, relative)
            heads = config.num_attention_heads
            dim = getattr(config, "head_dim", None) or config.hidden_size // heads
            mark = "\\*" if unconfirmed else ""
            print(f"| {published}{mark} | {config.model_type} | {config.vocab_size} × {config.hidden_size} "
                  f"| {heads} / {getattr(config, 'num_key_value_heads', heads)} × {dim} | {config.num_hidden_layers} | {count} | {rows} "
                  f"| {float(reference.abs().max()):.1f} | {relative:.1e} | {agree:.0%} |", flush=True)
    if notes:
        print("\n\\* doubtful: " + "; ".join(notes) + ".")
    print(f"\nBound: {BOUND:g}. Reference: transformers {transformers.__version__}, torch {torch.__version__}, f32, eager attention, "
          "weights in bfloat16.")
    sys.exit(0 if worst <= BOUND else 1)


if __name__ == "__main__":
    main()
