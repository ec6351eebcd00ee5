"""Draft heads: what they compute, what is learned, and how files are converted."""

import os
import pickle
import tempfile
import unittest
from pathlib import Path

import torch
from safetensors.torch import load_file

from .convert_heads import convert
from .heads import Eagle3, Hydra, Medusa, Seen
from .network import Config, Network
from .train_heads import export, losses, rows_of, see

CONFIG = Config(vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2)


class Heads(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        self.model = Network(CONFIG)
        self.table = self.model.model.embed_tokens.weight.detach()
        self.tokens = torch.randint(40, (2, 13))

    def test_rows_are_those_whose_later_token_is_an_answer(self):
        weights = torch.zeros(1, 7)
        weights[0, 4] = 1
        self.assertEqual([rows_of(weights, s).tolist() for s in range(4)], [[2], [1], [0], []])

    def test_untrained_heads_repeat_the_model(self):
        seen = see(self.model, self.tokens, [])
        rows = [torch.arange(5)] * 2
        for heads in (Medusa(CONFIG, self.table, 2), Hydra(CONFIG, self.table, 2), Hydra(CONFIG, self.table, 2, 3, True)):
            for guess in heads.guesses(seen, rows):
                if hasattr(heads, "prefix_embeding_layer"):  # its norm comes once more
                    self.assertEqual(guess.shape, (5, 40))
                else:
                    self.assertTrue(torch.allclose(guess, seen.logits.flatten(0, 1)[:5], atol=1e-5))

    def test_unrolling_equals_reading_the_path_row_by_row(self):
        """Step s of row t must be what the layer says when it reads the text up to t and then its own outputs."""
        heads = Eagle3(CONFIG, self.table, torch.arange(0, 40, 2), [1, 2, 3])
        for p in heads.parameters():
            if p.dim() == 2:
                torch.nn.init.normal_(p, std=0.3)
        seen = see(self.model, self.tokens, [1, 2, 3])
        with torch.no_grad():
            steps = heads.unroll(seen, 3)
            layer, row, t = heads.midlayer, 1, 6
            vectors = list(heads.fc(torch.cat(seen.taps, -1))[row, :t + 1])
            for step in range(3):
                count = len(vectors)
                emb = seen.embed[self.tokens[row, 1:1 + count]]
                x = torch.cat((layer.input_layernorm(emb), layer.hidden_norm(torch.stack(vectors))), -1)[None]
                angles = (torch.arange(count, dtype=torch.float64)[:, None]
                          * CONFIG.rope_theta ** (-torch.arange(0, CONFIG.head_dim, 2, dtype=torch.float64) / CONFIG.head_dim))
                hidden = torch.stack(vectors)[None]
                hidden = hidden + layer.self_attn.begin(x, angles.cos().float(), angles.sin().float()).output
                hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
                self.assertTrue(torch.allclose(heads.norm(hidden)[0, -1], steps[step][row, t], atol=1e-5), step)
                vectors.append(hidden[0, -1])

    def test_a_step_of_training_lowers_the_loss(self):
        weights = torch.ones(2, 13)
        for heads in (Medusa(CONFIG, self.table, 2), Hydra(CONFIG, self.table, 2, 2, True),
                      Eagle3(CONFIG, self.table, torch.arange(0, 40, 2), [1, 2, 3])):
            seen = see(self.model, self.tokens, [1, 2, 3])
            optimizer = torch.optim.AdamW(heads.parameters(), lr=1e-2)
            values = []
            for _ in range(8):
                loss = sum(v for v, _ in losses(heads, seen, weights, 2))
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                values.append(loss.item())
            self.assertLess(values[-1], values[0])

    def test_exported_names_are_the_published_ones(self):
        expected = {
            "medusa": (Medusa(CONFIG, self.table, 2), "medusa_lm_head", {"0.0.linear.weight", "1.0.linear.bias", "1.1.weight"}),
            "hydra": (Hydra(CONFIG, self.table, 2), "hydra_lm_head", {"hydra_mlp.1.0.res_connection.bias", "hydra_lm_head.1.weight"}),
            "hydra++": (Hydra(CONFIG, self.table, 2, 3, True), "hydra_lm_head",
                        {"hydra_mlp.1.5.linear.weight", "hydra_lm_head.0.1.bias", "prefix_embeding_layer.layers.0.self_attn.q_proj.weight",
                         "prefix_embeding_layer.norm.weight"}),
            "eagle": (Eagle3(CONFIG, self.table, torch.arange(7, 17), [1, 2, 3]), "model",
                      {"fc.weight", "midlayer.hidden_norm.weight", "midlayer.self_attn.q_proj.weight", "norm.weight", "lm_head.weight", "d2t"}),
        }
        for kind, (heads, file, names) in expected.items():
            with tempfile.TemporaryDirectory() as folder:
                export(heads, kind, Path(folder), "base")
                found = load_file(Path(folder) / f"{file}.safetensors")
                self.assertLessEqual(names, set(found))
                if kind == "eagle":
                    self.assertEqual((found["d2t"] + torch.arange(10)).tolist(), list(range(7, 17)))


class Trap:
    def __reduce__(self):
        return os.system, ("echo the trap ran",)


class Conversion(unittest.TestCase):
    def test_tensors_become_safetensors(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hydra_lm_head.pt"
            shared = torch.randn(3, 3)
            torch.save({"hydra_mlp.0.3.linear.weight": shared, "hydra_mlp.0.5.linear.weight": shared}, path)
            found = load_file(convert(path))
            self.assertTrue(all(torch.equal(t, shared) for t in found.values()) and len(found) == 2)

    def test_a_file_with_a_program_is_not_opened(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "medusa_lm_head.pt"
            torch.save({"a": Trap()}, path)
            with self.assertRaises(SystemExit) as refusal:
                convert(path)
            self.assertIn("--trust-pickle", str(refusal.exception))
            (Path(folder) / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Trap()}))
            with self.assertRaises(SystemExit):
                convert(Path(folder) / "pytorch_model.bin")


if __name__ == "__main__":
    unittest.main()
