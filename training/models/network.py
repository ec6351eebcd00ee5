"""The network of all our models: a small Qwen2-type decoder, written out so that training needs nothing but PyTorch.

Parameter names equal those of `transformers`' Qwen2ForCausalLM, so `export.py` writes the state dictionary as it is.
What attends to what is the caller's: causal by default, or any boolean mask.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    vocab_size: int = 4096
    hidden_size: int = 256
    intermediate_size: int = 640
    num_hidden_layers: int = 6
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    max_position_embeddings: int = 1024
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    def to_dict(self) -> dict:
        return asdict(self)


@dataclass
class Parts:
    """What attends to what, part by part, where most of the whole square is empty: the rows of each part (in order, all of
    them), the rows whose keys it may look at, and its mask over those keys (None: causal)."""
    rows: list
    keys: list
    masks: list


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


class Attention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = c.num_attention_heads, c.num_key_value_heads, c.head_dim
        self.q_proj = nn.Linear(c.hidden_size, self.heads * self.head_dim, bias=True)
        self.k_proj = nn.Linear(c.hidden_size, self.kv_heads * self.head_dim, bias=True)
        self.v_proj = nn.Linear(c.hidden_size, self.kv_heads * self.head_dim, bias=True)
        self.o_proj = nn.Linear(self.heads * self.head_dim, c.hidden_size, bias=False)

    def forward(self, x, cos, sin, mask, cache=None):
        batch, length, _ = x.shape
        shape = (batch, length, -1, self.head_dim)
        q = self.q_proj(x).view(shape).transpose(1, 2)  # [batch, heads, length, head_dim]
        k = self.k_proj(x).view(shape).transpose(1, 2)
        v = self.v_proj(x).view(shape).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:  # earlier keys and values in, all of them out
            if cache:
                k, v = torch.cat((cache[0], k), dim=2), torch.cat((cache[1], v), dim=2)
            cache[:] = k, v
        q, k = (q * self.head_dim ** -0.5).to(v.dtype), k.to(v.dtype)
        if isinstance(mask, Parts):
            keys = [[torch.cat([t[:, :, s] for s in sources], dim=2) for t in (k, v)] for sources in mask.keys]
            y = torch.cat([attend(q[:, :, rows], *kv, m) for rows, kv, m in zip(mask.rows, keys, mask.masks)], dim=2)
        else:
            y = attend(q, k, v, mask)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


def attend(q, k, v, mask):
    """Attention of `q` [batch, heads, rows, size] to keys of fewer heads; causal at the end of the keys without a mask.

    Written out: on CPUs the backward pass of the fused one takes three times as long at these sizes. The query heads of
    one key head are stacked, so that keys and values are not repeated.
    """
    (batch, heads, rows, size), (kv_heads, keys) = q.shape, k.shape[1:3]
    scores = q.reshape(batch, kv_heads, -1, size) @ k.transpose(-1, -2)
    if mask is None:
        mask = torch.ones(rows, keys, dtype=torch.bool).tril(keys - rows)[None, None]
    hidden = torch.zeros(mask.shape, dtype=v.dtype).masked_fill_(~mask, float("-inf"))
    weights = torch.softmax(scores.view(batch, kv_heads, -1, rows, keys) + hidden[:, :, None], dim=-1, dtype=v.dtype)
    return (weights.view(batch, kv_heads, -1, keys) @ v).view(batch, heads, rows, size)


def rotate(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class MLP(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.up_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.down_proj = nn.Linear(c.intermediate_size, c.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.mlp = MLP(c)

    def forward(self, x, cos, sin, mask, cache=None):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.num_hidden_layers))
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)


class Network(nn.Module):
    """With tied embeddings, as ours have, the output head is the embedding table."""

    def __init__(self, c: Config):
        super().__init__()
        self.config = c
        self.model = Decoder(c)
        if not c.tie_word_embeddings:
            self.lm_head = nn.Linear(c.hidden_size, c.vocab_size, bias=False)
        inverse = c.rope_theta ** (-torch.arange(0, c.head_dim, 2, dtype=torch.float64) / c.head_dim)
        angle = torch.arange(c.max_position_embeddings, dtype=torch.float64)[:, None] * inverse
        self.register_buffer("cos", angle.cos().float(), persistent=False)  # [positions, head_dim / 2]
        self.register_buffer("sin", angle.sin().float(), persistent=False)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() == 2:
                # The residual branches start smaller, so that depth does not grow the stream's variance.
                residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                scale = (2 * c.num_hidden_layers) ** -0.5 if residual else 1.0
                nn.init.normal_(parameter, std=0.04 * scale)

    def hidden(self, ids, positions=None, mask=None, caches=None):
        """`positions` [rows] or [batch, rows]; `mask` true where a row (next to last axis) may look at a key (last), or `Parts`
        of such (without caches)."""
        if positions is None:
            positions = torch.arange(ids.shape[1])
        cos, sin = self.cos[positions], self.sin[positions]
        if positions.dim() == 2:
            cos, sin = cos[:, None], sin[:, None]  # the axis of heads
        x = self.model.embed_tokens(ids)
        for i, layer in enumerate(self.model.layers):
            x = layer(x, cos, sin, mask, None if caches is None else caches[i])
        return self.model.norm(x)

    def logits(self, hidden):
        return F.linear(hidden, (self.model.embed_tokens if self.config.tie_word_embeddings else self.lm_head).weight)

    def forward(self, ids, positions=None, mask=None, caches=None):
        return self.logits(self.hidden(ids, positions, mask, caches))
