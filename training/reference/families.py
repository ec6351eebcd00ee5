"""Model folders of every supported family with seeded random weights, and their logits computed by `transformers`.

Used by the fixtures (toy sizes) and by the published-shape verification (true sizes). A folder is written exactly
as the family publishes it: its own `config.json` keys and its own tensor names. The diffusion families have no class
in `transformers`; they are a Llama, Qwen2 or Qwen3 network under other names with another attention mask, so their
reference is that class with an explicit mask.
"""

import json
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM)

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

# family: the network it is, its architecture name, its model_type
FAMILIES = {
    "llama": ("llama", "LlamaForCausalLM", "llama"),
    "mistral": ("llama", "MistralForCausalLM", "mistral"),
    "qwen2": ("qwen2", "Qwen2ForCausalLM", "qwen2"),
    "qwen3": ("qwen3", "Qwen3ForCausalLM", "qwen3"),
    "llada": ("llama", "LLaDAModelLM", "llada"),
    "dream": ("qwen2", "DreamModel", "Dream"),
    "sdar": ("qwen3", "SDARForCausalLM", "sdar"),
    "fast-dllm-qwen": ("qwen2", "Fast_dLLM_QwenForCausalLM", "Fast_dLLM_Qwen"),
}


@dataclass(frozen=True)
class Shape:
    family: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    theta: float = 10000.0
    eps: float = 1e-5
    tied: bool = False
    dtype: str = "float32"
    positions: int = 512
    window: int | None = None
    rope_scaling: dict | None = None
    bos: int | None = None
    eos: int | list | None = None
    extra: dict = field(default_factory=dict)  # further keys of config.json
    new_keys: bool = False  # `rope_parameters` and `dtype` instead of `rope_theta`, `rope_scaling` and `torch_dtype`
    write_head_dim: bool = False  # families whose older configs leave head_dim to hidden / heads

    @property
    def network(self) -> str:
        return FAMILIES[self.family][0]


def config_json(s: Shape) -> dict:
    _, architecture, model_type = FAMILIES[s.family]
    if s.family == "llada":
        c = {"activation_type": "silu", "alibi": False, "attention_layer_norm": False, "bias_for_layer_norm": False,
             "block_group_size": 1, "block_type": "llama", "d_model": s.hidden, "embedding_size": s.vocab,
             "include_bias": False, "include_qkv_bias": False, "input_emb_norm": False, "layer_norm_type": "rms",
             "layer_norm_with_affine": True, "max_sequence_length": s.positions, "mlp_hidden_size": s.ffn,
             "mlp_ratio": 4, "multi_query_attention": None, "n_heads": s.heads, "n_kv_heads": s.kv_heads,
             "n_layers": s.layers, "rms_norm_eps": s.eps, "rope": True, "rope_full_precision": True,
             "rope_theta": s.theta, "scale_logits": False, "use_cache": False, "weight_tying": s.tied}
    else:
        c = {"attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": s.hidden, "initializer_range": 0.02,
             "intermediate_size": s.ffn, "max_position_embeddings": s.positions, "num_attention_heads": s.heads,
             "num_hidden_layers": s.layers, "num_key_value_heads": s.kv_heads, "rms_norm_eps": s.eps,
             "tie_word_embeddings": s.tied, "use_cache": True}
        if s.new_keys:
            c["rope_parameters"] = {"rope_theta": s.theta, **(s.rope_scaling or {"rope_type": "default"})}
        else:
            c |= {"rope_theta": s.theta, "rope_scaling": s.rope_scaling}
        if s.network == "qwen3" or s.write_head_dim:
            c["head_dim"] = s.head_dim
        if s.network == "qwen3" or s.family == "llama":
            c["attention_bias"] = False
        if s.family == "mistral":
            c["sliding_window"] = s.window
        if s.network in ("qwen2", "qwen3"):
            c |= {"max_window_layers": s.layers, "sliding_window": None, "use_sliding_window": False}
    c |= {"architectures": [architecture], "model_type": model_type, "vocab_size": s.vocab, "bos_token_id": s.bos,
          "eos_token_id": s.eos, ("dtype" if s.new_keys else "torch_dtype"): s.dtype, **s.extra}
    return dict(sorted(c.items()))


def tensor_shapes(s: Shape) -> dict:
    """Tensors under the names of the Llama, Qwen2 and Qwen3 classes of `transformers`."""
    q, kv = s.heads * s.head_dim, s.kv_heads * s.head_dim
    t = {"model.embed_tokens.weight": (s.vocab, s.hidden)}
    for i in range(s.layers):
        p = f"model.layers.{i}."
        t |= {p + "input_layernorm.weight": (s.hidden,), p + "self_attn.q_proj.weight": (q, s.hidden),
              p + "self_attn.k_proj.weight": (kv, s.hidden), p + "self_attn.v_proj.weight": (kv, s.hidden),
              p + "self_attn.o_proj.weight": (s.hidden, q), p + "post_attention_layernorm.weight": (s.hidden,),
              p + "mlp.gate_proj.weight": (s.ffn, s.hidden), p + "mlp.up_proj.weight": (s.ffn, s.hidden),
              p + "mlp.down_proj.weight": (s.hidden, s.ffn)}
        if s.network == "qwen2":
            t |= {p + f"self_attn.{n}_proj.bias": (q if n == "q" else kv,) for n in "qkv"}
        if s.network == "qwen3":
            t |= {p + f"self_attn.{n}_norm.weight": (s.head_dim,) for n in "qk"}
    t["model.norm.weight"] = (s.hidden,)
    if not s.tied:
        t["lm_head.weight"] = (s.vocab, s.hidden)
    return t


def weights(s: Shape, seed: int) -> dict:
    """Seeded random tensors in the stored dtype. Each tensor has its own stream, so its bytes do not depend on the
    others. Scales keep the residual stream near 1 and spread the logits over a few units, as a trained model does."""
    out = {}
    for name, shape in tensor_shapes(s).items():
        g = torch.Generator().manual_seed(seed * 1_000_003 + zlib.crc32(name.encode()))
        # Straight into the stored dtype, slab by slab: a published vocabulary in f32 would not fit beside the model.
        x = torch.empty(shape, dtype=DTYPES[s.dtype])
        rows = max(1, (1 << 24) // max(1, x[0].numel()))
        if len(shape) == 1:
            scale, offset = (0.3, 0.0) if name.endswith("bias") else (0.1, 1.0)
        elif name == "model.embed_tokens.weight":
            scale, offset = (3.0 / s.hidden**0.5, 0.0) if s.tied else (1.0, 0.0)
        elif name == "lm_head.weight":
            scale, offset = 3.0 / s.hidden**0.5, 0.0
        else:
            scale, offset = 1.2 / shape[1] ** 0.5, 0.0
        for first in range(0, shape[0], rows):
            part = x[first:first + rows]
            part.copy_(torch.randn(part.shape, generator=g) * scale + offset)
        out[name] = x
    return out


def published_name(s: Shape, name: str) -> str:
    """The family's own name of a tensor."""
    if s.family != "llada":
        return name
    whole = {"model.embed_tokens.weight": "wte.weight", "model.norm.weight": "ln_f.weight", "lm_head.weight": "ff_out.weight"}
    if name in whole:
        return "model.transformer." + whole[name]
    _, _, layer, rest = name.split(".", 3)
    part = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ff_norm", "self_attn.q_proj": "q_proj",
            "self_attn.k_proj": "k_proj", "self_attn.v_proj": "v_proj", "self_attn.o_proj": "attn_out",
            "mlp.gate_proj": "ff_proj", "mlp.up_proj": "up_proj", "mlp.down_proj": "ff_out"}[rest.removesuffix(".weight")]
    return f"model.transformer.blocks.{layer}.{part}.weight"


def write_json(path: Path, value, indent: int | None = 1):
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


def write_folder(folder: Path, s: Shape, tensors: dict, shards: int = 1, generation: dict | None = None):
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config_json(s))
    write_json(folder / "generation_config.json",
               generation if generation is not None else {"bos_token_id": s.bos, "eos_token_id": s.eos})
    stored = {published_name(s, n): t.contiguous() for n, t in tensors.items()}
    if shards == 1:
        save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, size = list(stored), sum(t.numel() * t.element_size() for t in stored.values())
    groups, filled = [[]], 0
    for name in names:
        if filled >= size * len(groups) / shards:
            groups.append([])
        groups[-1].append(name)
        filled += stored[name].numel() * stored[name].element_size()
    index = {}
    for i, group in enumerate(groups):
        file = f"model-{i + 1:05d}-of-{len(groups):05d}.safetensors"
        save_file({n: stored[n] for n in group}, folder / file, metadata={"format": "pt"})
        index |= {n: file for n in group}
    write_json(folder / "model.safetensors.index.json",
               {"metadata": {"total_size": size}, "weight_map": dict(sorted(index.items()))})


def reference(folder: Path, s: Shape, tensors: dict):
    """The `transformers` model in f32 with eager attention. Families that `transformers` knows are loaded from the
    folder, so that the written files are judged as well."""
    if s.family in ("llama", "mistral", "qwen2", "qwen3"):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    else:
        keys = config_json(replace(s, family={"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}[s.network], extra={}))
        keys = {k: v for k, v in keys.items() if k not in ("architectures", "model_type", "torch_dtype")}
        config_class, model_class = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM),
                                     "qwen3": (Qwen3Config, Qwen3ForCausalLM)}[s.network]
        config = config_class(**keys)
        config._attn_implementation = "eager"
        with torch.device("meta"):
            model = model_class(config)
        model = model.to_empty(device="cpu")
        # `to_empty` leaves the rotary tables undefined: build that module anew.
        model.model.rotary_emb = type(model.model.rotary_emb)(config=config)
        with torch.no_grad():
            own = dict(model.named_parameters())
            for name, tensor in tensors.items():
                own.pop(name).copy_(tensor)
        own.pop("lm_head.weight", None) if s.tied else None
        if own:
            raise RuntimeError(f"no value for {sorted(own)}")
        if s.tied:
            model.tie_weights()
    return model.eval()


# Masks: bool [queries, keys], True = visible ------------------------------------------------------------------------

def causal(n: int) -> torch.Tensor:
    return torch.ones(n, n, dtype=torch.bool).tril()


def block_causal(n: int, block: int) -> torch.Tensor:
    b = torch.arange(n) // block
    return b[None, :] <= b[:, None]


def bidirectional(n: int) -> torch.Tensor:
    return torch.ones(n, n, dtype=torch.bool)


def context_causal(n: int, start: int) -> torch.Tensor:
    m = causal(n)
    m[start:] = True
    return m


def tree(prefix: int, parents: list) -> tuple[torch.Tensor, list]:
    """Mask and positions of a causal prefix followed by the nodes of a tree."""
    n = prefix + len(parents)
    m = torch.zeros(n, n, dtype=torch.bool)
    m[:prefix, :prefix] = causal(prefix)
    positions = list(range(prefix))
    for i, parent in enumerate(parents):
        row = prefix + i
        m[row] = m[prefix + parent] if parent >= 0 else torch.cat((torch.ones(prefix), torch.zeros(len(parents)))).bool()
        m[row, row] = True
        positions.append(positions[prefix + parent] + 1 if parent >= 0 else prefix)
    return m, positions


def windowed(mask: torch.Tensor, positions, window: int | None) -> torch.Tensor:
    if window is None:
        return mask
    p = torch.tensor(positions)
    return mask & (p[:, None] - p[None, :] < window)


@torch.no_grad()
def forward(model, ids, mask: torch.Tensor, positions, hidden: bool = False, rows: slice = slice(None)):
    """f32 logits `[rows, vocabulary]`, with `hidden` also the hidden states of every layer."""
    additive = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)[None, None]
    out = model.model(input_ids=torch.tensor([ids]), attention_mask=additive, position_ids=torch.tensor([positions]),
                      use_cache=False, output_hidden_states=hidden)
    logits = model.lm_head(out.last_hidden_state[:, rows])[0].contiguous()
    return (logits, [h[0].contiguous() for h in out.hidden_states]) if hidden else logits
