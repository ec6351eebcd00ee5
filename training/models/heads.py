"""Draft heads: small networks on a frozen model's hidden states that guess the tokens behind the next one.

Parameter names are those of the published files, so that a state dictionary is written as it is:
Medusa (arXiv 2401.10774), Hydra and Hydra++ (arXiv 2402.05109), EAGLE-3 (arXiv 2503.01840).

In all of them row t of the model has read token t and predicts token t + 1, the root; the heads guess t + 2, t + 3, …
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .network import Config, MLP, RMSNorm, rotate


@dataclass
class Seen:
    """What the frozen model has made of a batch: `tokens` [batch, rows + 1]; the rest [batch, rows, ·]."""
    tokens: torch.Tensor
    taps: list  # inputs of some layers
    final: torch.Tensor  # behind the final norm
    logits: torch.Tensor
    embed: torch.Tensor  # the table, [vocabulary, hidden]


def rope(config: Config, first: int, rows: int):
    inverse = config.rope_theta ** (-torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim)
    angle = torch.arange(first, first + rows, dtype=torch.float64)[:, None] * inverse
    return angle.cos().float(), angle.sin().float()


class Residual(nn.Module):
    """z + SiLU(W z + b); with another width in than out the sum is with a second map of the input (Hydra's first block)."""

    def __init__(self, size: int, width: int | None = None):
        super().__init__()
        self.linear = nn.Linear(width or size, size)
        if width:
            self.res_connection = nn.Linear(width, size)
            with torch.no_grad():  # begins as: take the hidden state, ignore the path
                self.res_connection.weight.zero_()
                self.res_connection.weight[:, :size] = torch.eye(size)
                self.res_connection.bias.zero_()
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        y = F.silu(self.linear(x))
        return (self.res_connection(x) if hasattr(self, "res_connection") else x) + y


class Medusa(nn.ModuleList):
    """Heads that know the hidden state alone."""

    def __init__(self, config: Config, table: torch.Tensor, heads: int = 4, layers: int = 1):
        def head():
            last = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
            last.weight.data.copy_(table)
            return nn.Sequential(*(Residual(config.hidden_size) for _ in range(layers)), last)
        super().__init__(head() for _ in range(heads))
        self.description = {"medusa_num_heads": heads, "medusa_num_layers": layers, "version": "2"}

    def guesses(self, seen: Seen, rows):
        """For each head: logits [n, vocabulary] of the rows (flat indices) that `rows` names for it."""
        flat = seen.final.flatten(0, 1)
        return [head(flat[r]) for head, r in zip(self, rows)]


class PrefixLayer(nn.Module):
    """Hydra++: one more decoder layer over the hidden states, with a norm of its own. Names as in Llama."""

    def __init__(self, config: Config):
        super().__init__()
        layer = nn.Module()
        layer.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        layer.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        layer.self_attn = Attention(config, config.hidden_size)
        layer.mlp = MLP(config)
        self.layers = nn.ModuleList([layer])
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        nn.init.zeros_(layer.self_attn.o_proj.weight)
        nn.init.zeros_(layer.mlp.down_proj.weight)
        self.config = config

    def forward(self, x):
        layer = self.layers[0]
        steps = layer.self_attn.begin(layer.input_layernorm(x), *rope(self.config, 0, x.shape[1]))
        x = x + steps.output
        return self.norm(x + layer.mlp(layer.post_attention_layernorm(x)))


class Hydra(nn.Module):
    """Heads that also know the tokens guessed before them: head i reads [h; e(root); e(y1); …]."""

    def __init__(self, config: Config, table: torch.Tensor, heads: int = 4, layers: int = 1, prefix: bool = False):
        super().__init__()
        size = config.hidden_size
        # The published files count slots of dropout in Hydra++, and share all blocks behind the first.
        blank = (lambda: [nn.Identity()]) if prefix else list

        def stack(head):
            blocks = [*blank(), Residual(size, (head + 2) * size)]
            shared = Residual(size)
            for _ in range(layers - 1):
                blocks += [*blank(), shared]
            return nn.Sequential(*blocks)

        def last():
            linear = nn.Linear(size, config.vocab_size)
            linear.weight.data.copy_(table)
            nn.init.zeros_(linear.bias)
            return nn.Sequential(nn.Identity(), linear) if prefix else linear

        self.hydra_mlp = nn.ModuleList(stack(i) for i in range(heads))
        self.hydra_lm_head = nn.ModuleList(last() for _ in range(heads))
        if prefix:
            self.prefix_embeding_layer = PrefixLayer(config)  # sic
        self.description = {"hydra_num_heads": heads, "hydra_num_layers": layers, "grounded_heads": True, "hidden_state_offset": 0,
                            "hydra_head_arch": "prefix-mlp" if prefix else "mlp"}
        if prefix:
            self.description |= {k: v for k, v in config.to_dict().items() if k != "vocab_size"}

    def guesses(self, seen: Seen, rows):
        hidden = self.prefix_embeding_layer(seen.final) if hasattr(self, "prefix_embeding_layer") else seen.final
        batch, length = hidden.shape[:2]
        flat, out = hidden.flatten(0, 1), []
        for i, r in enumerate(rows):
            row, column = r // length, r % length
            path = [seen.embed[seen.tokens[row, column + 1 + j]] for j in range(i + 1)]
            out.append(self.hydra_lm_head[i](self.hydra_mlp[i](torch.cat((flat[r], *path), dim=-1))))
        return out


class Attention(nn.Module):
    """Attention without biases whose input may be wider than the hidden size. `begin` reads rows that see all before them;
    `go_on` adds a row behind each of them, and one behind that, which sees the rows before its first and its own chain
    (EAGLE-3's training-time test)."""

    def __init__(self, c: Config, width: int):
        super().__init__()
        self.shape = (c.num_attention_heads, c.num_key_value_heads, c.head_dim)
        self.q_proj = nn.Linear(width, c.num_attention_heads * c.head_dim, bias=False)
        self.k_proj = nn.Linear(width, c.num_key_value_heads * c.head_dim, bias=False)
        self.v_proj = nn.Linear(width, c.num_key_value_heads * c.head_dim, bias=False)
        self.o_proj = nn.Linear(c.num_attention_heads * c.head_dim, c.hidden_size, bias=False)

    @dataclass
    class Steps:
        output: torch.Tensor
        keys: list
        values: list

    def project(self, x, cos, sin):
        heads, kv, size = self.shape
        split = [p(x).view(*x.shape[:2], -1, size).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj)]
        q, k, v = rotate(split[0], cos, sin), rotate(split[1], cos, sin), split[2]
        return q * size ** -0.5, *(t.repeat_interleave(heads // kv, dim=1) for t in (k.to(v.dtype), v))

    def begin(self, x, cos, sin):
        steps = Attention.Steps(x, [], [])
        return self.go_on(x, cos, sin, steps)

    def go_on(self, x, cos, sin, steps):
        q, k, v = self.project(x, cos, sin)
        steps.keys.append(k)
        steps.values.append(v)
        length = x.shape[1]
        q = q.to(v.dtype)
        hidden = torch.full((length, length), float("-inf"), dtype=v.dtype).triu(1)
        scores = [q @ steps.keys[0].transpose(-1, -2) + hidden] + [(q * key).sum(-1, keepdim=True) for key in steps.keys[1:]]
        weights = torch.softmax(torch.cat(scores, dim=-1), dim=-1, dtype=torch.float32).to(v.dtype)
        y = weights[..., :length] @ steps.values[0]
        for i, value in enumerate(steps.values[1:]):
            y = y + weights[..., length + i:length + i + 1] * value
        steps.output = self.o_proj(y.transpose(1, 2).flatten(2))
        return steps


class Eagle3(nn.Module):
    """One decoder layer over [embedding; hidden state], whose first hidden states are a mixture of three of the model's and
    whose later ones are its own outputs; a head over the most frequent tokens."""

    def __init__(self, config: Config, table: torch.Tensor, frequent: torch.Tensor, taps: list):
        super().__init__()
        size = config.hidden_size
        self.config = config
        self.fc = nn.Linear(len(taps) * size, size, bias=False)
        layer = nn.Module()
        layer.hidden_norm = RMSNorm(size, config.rms_norm_eps)
        layer.input_layernorm = RMSNorm(size, config.rms_norm_eps)
        layer.post_attention_layernorm = RMSNorm(size, config.rms_norm_eps)
        layer.self_attn = Attention(config, 2 * size)
        layer.mlp = MLP(config)
        self.midlayer = layer
        self.norm = RMSNorm(size, config.rms_norm_eps)
        self.lm_head = nn.Linear(size, len(frequent), bias=False)
        self.lm_head.weight.data.copy_(table[frequent])
        with torch.no_grad():  # begins with the deepest of the three
            self.fc.weight.zero_()
            self.fc.weight[:, -size:] = torch.eye(size)
        frequent = frequent.sort().values
        self.register_buffer("d2t", frequent - torch.arange(len(frequent)))
        known = torch.zeros(config.vocab_size, dtype=torch.bool)
        known[frequent] = True
        self.register_buffer("t2d", known)
        self.frequent = frequent
        self.lm_head.weight.data.copy_(table[frequent])
        self.description = {
            "architectures": ["LlamaForCausalLMEagle3"], "model_type": "llama", "hidden_act": "silu", "attention_bias": False,
            "draft_vocab_size": len(frequent), "eagle_aux_hidden_state_layer_ids": taps,
            **{k: v for k, v in config.to_dict().items() if k != "tie_word_embeddings"}, "num_hidden_layers": 1,
            "tie_word_embeddings": False}

    def unroll(self, seen: Seen, steps: int):
        """Hidden states behind the final norm, [batch, rows − step, hidden], of every step: those of step s guess the token
        s + 2 behind the row's."""
        layer, length = self.midlayer, seen.final.shape[1]
        hidden = self.fc(torch.cat(seen.taps, dim=-1))
        out, state = [], None
        for step in range(steps):
            # Row t reads token t + 1 + step; where there is none, the last one stands in, and nothing is learned from it.
            index = (torch.arange(length) + 1 + step).clamp(max=length)
            tokens = layer.input_layernorm(seen.embed[seen.tokens[:, index]])
            x = torch.cat((tokens, layer.hidden_norm(hidden)), dim=-1)
            angles = rope(self.config, step, length)
            state = layer.self_attn.begin(x, *angles) if state is None else layer.self_attn.go_on(x, *angles, state)
            hidden = hidden + state.output
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
            out.append(self.norm(hidden))
        return out

    def guesses(self, seen: Seen, rows):
        return [self.lm_head(h.flatten(0, 1)[r]) for h, r in zip(self.unroll(seen, len(rows)), rows)]
