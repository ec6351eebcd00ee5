"""python -m unittest training.models.test_models"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from ..data.lists import generate
from . import decode, prepare
from .batches import Batch, Special, batch, filled, sources
from .export import read_weights, write_folder, write_gguf
from .network import Config, Network
from .objectives import autoregressive, block_diffusion, block_mask, block_parts, masked
from .tokenizer import check, train

MASK_ID = Special().mask
SMALL = Config(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
               max_position_embeddings=256)


def network(seed=0, config=SMALL):
    torch.manual_seed(seed)
    model = Network(config)
    for p in model.parameters():  # far from uniform, so that arg-max is decided by more than rounding
        if p.dim() == 2:
            torch.nn.init.normal_(p, std=0.25)
    return model.eval()


def some_batch(rows=3, length=24):
    g = torch.Generator().manual_seed(4)
    shape = (rows, length + 1)
    return Batch(torch.randint(4, 50, shape, generator=g), torch.ones(shape), torch.zeros(shape, dtype=torch.long),
                 torch.zeros(shape, dtype=torch.long), torch.arange(length + 1).repeat(rows, 1))


class Masks(unittest.TestCase):
    def test_four_tokens_in_blocks_of_two(self):
        mask = block_mask(torch.tensor([[0, 0, 1, 1]]))[0, 0]  # rows 0–3 first view, 4–7 second, 8–11 clean
        seen = [set(row.nonzero().flatten().tolist()) for row in mask]
        self.assertEqual(seen[0], {0, 1})
        self.assertEqual(seen[2], {2, 3, 8, 9})
        self.assertEqual(seen[6], {6, 7, 8, 9})
        self.assertEqual(seen[8:], [{8}, {8, 9}, {8, 9, 10}, {8, 9, 10, 11}])


    def test_parts_are_the_whole_mask(self):
        model, block = network(), torch.tensor([[0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 2, 2]])
        ids, positions = torch.arange(36).view(2, 18) + 5, torch.arange(6).repeat(3)
        with torch.no_grad():
            torch.testing.assert_close(model.hidden(ids, positions, block_parts(block)), model.hidden(ids, positions, block_mask(block)))


class Objectives(unittest.TestCase):
    def test_the_views_are_complements_and_first_slots_stay(self):
        b, model = some_batch(), network()
        for size in (2, 4, 8, 32):
            _, losses, _, _ = block_diffusion(model, b, torch.Generator().manual_seed(1), size)
            generator = torch.Generator().manual_seed(1)
            offset = torch.randint(size, (3, 1), generator=generator)
            slots = (torch.arange(24) + offset) % size
            slots[:, 0] = 0
            self.assertEqual(len(losses), int((slots != 0).sum()), size)

    def test_blocks_of_one_leave_half_the_causal_loss(self):
        b, model = some_batch(), network()
        a = block_diffusion(model, b, torch.Generator().manual_seed(1), 1)[0]
        torch.testing.assert_close(a, 0.5 * autoregressive(model, b)[0])

    def test_a_masked_token_is_predicted_from_its_own_block_and_the_past(self):
        b, model = some_batch(1, 8), network()

        def losses(ids):
            return block_diffusion(model, Batch(ids, b.weights, b.source, b.document, b.position),
                                   torch.Generator().manual_seed(3), 4)[1]
        changed = b.ids.clone()
        changed[0, 8] = (changed[0, 8] + 1 - 4) % 46 + 4  # the token after the window: only a target of the causal loss
        torch.testing.assert_close(losses(b.ids), losses(changed))

    def test_masked_never_hides_what_is_asked(self):
        b = some_batch()
        b.weights[:, :12] = 0.1
        _, losses, weights, _ = masked(network(), b, torch.Generator().manual_seed(2))
        self.assertTrue(len(losses) > 0 and bool((weights > 0.15).all()))

    def test_all_losses_fall(self):
        b = some_batch()
        for objective in (autoregressive, block_diffusion, masked):
            model = network()
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
            values = []
            for _ in range(30):
                loss = objective(model, b, generator=torch.Generator().manual_seed(1), block_size=4)[0]
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                values.append(loss.item())
            self.assertLess(values[-1], 0.7 * values[0], objective.__name__)


torch.set_num_threads(1)
PROMPTS = [[5, 6, 7], [8, 9, 10, 11, 12, 13], [14]]


class Decoding(unittest.TestCase):
    def test_greedy_equals_greedy_without_a_cache_or_padding(self):
        model = network()
        rows, _ = decode.autoregressive(model, PROMPTS, limit=20)
        for prompt, row in zip(PROMPTS, rows):
            ids = list(prompt)
            for _ in range(20):
                token = int(decode.choose(model(torch.tensor([ids]))[0, -1])[0])
                if token in (0, 2):
                    break
                ids.append(token)
            self.assertEqual(row, ids[len(prompt):])

    def test_blocks_of_one_are_greedy(self):
        for seed in range(3):
            model = network(seed)
            greedy, _ = decode.autoregressive(model, PROMPTS, limit=24)
            self.assertEqual(greedy, decode.blocks(model, PROMPTS, limit=24, block_size=1)[0])

    def test_the_context_after_blocks_is_an_ordinary_causal_one(self):
        model = network()
        with torch.no_grad():
            context = decode.Context(model, [[5, 6, 7]])
            context.look(torch.tensor([[8, MASK_ID, MASK_ID]]))
            context.commit(torch.tensor([[8, 9, 10]]))
            fresh = decode.Context(model, [[5, 6, 7, 8, 9, 10]])
        for a, b in zip(context.caches, fresh.caches):
            torch.testing.assert_close(a[0], b[0])
            torch.testing.assert_close(a[1], b[1])
        torch.testing.assert_close(context.next, fresh.next)

    def test_batches_change_nothing_and_passes_are_counted(self):
        model = network()
        for decoder, more in ((decode.blocks, {"block_size": 8}), (decode.masked, {"block_size": 8}),
                              (decode.blocks, {"block_size": 8, "threshold": 0.2})):
            rows, passes = decoder(model, PROMPTS, limit=16, **more)
            for prompt, row, count in zip(PROMPTS, rows, passes):
                alone, alone_count = decoder(model, [prompt], limit=16, **more)
                self.assertEqual(alone[0], row)
                if decoder is decode.blocks:
                    self.assertEqual(alone_count[0], count)
        self.assertEqual(decode.blocks(model, PROMPTS, limit=16, block_size=8)[0],
                         decode.blocks(model, PROMPTS, limit=16, block_size=8, threshold=1.0)[0])

    def test_nothing_is_left_masked(self):
        model = network()
        for rows, _ in (decode.blocks(model, PROMPTS, limit=20, block_size=8), decode.masked(model, PROMPTS, limit=20, block_size=8)):
            self.assertFalse(any(MASK_ID in row for row in rows))


class Learning(unittest.TestCase):
    """Objective and decoder agree: what a small network learns by the one, the other writes."""

    def learned(self, objective, steps, seed=1):
        model = network(seed)
        for parameter in model.parameters():
            if parameter.dim() == 2:
                torch.nn.init.normal_(parameter, std=0.08)
        optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
        g = torch.Generator().manual_seed(seed)
        for step in range(steps):
            first = torch.randint(20, (16, 1), generator=g)  # counting through 20 tokens, round and round
            ids = (first + torch.arange(25)) % 20 + 10
            weights = torch.ones(16, 25)
            if objective is masked:
                weights[:, :4] = 0.1
            b = Batch(ids, weights, torch.zeros_like(ids), torch.zeros_like(ids), torch.arange(25).repeat(16, 1))
            loss = objective(model, b, generator=torch.Generator().manual_seed(step), block_size=(2, 4, 8)[step % 3])[0]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model.eval()

    def test_block_diffusion(self):
        model = self.learned(block_diffusion, 250)
        prompts = [[12, 13, 14, 15], [27, 28, 29, 10, 11]]
        right = [[(p[-1] - 10 + i) % 20 + 10 for i in range(1, 17)] for p in prompts]
        self.assertEqual(decode.autoregressive(model, prompts, limit=16)[0], right)
        for size in (1, 4, 8):
            rows, passes = decode.blocks(model, prompts, limit=16, block_size=size)
            self.assertEqual(rows, right, size)
            self.assertEqual(passes, [16, 16])  # D - 1 passes that fill a block and one that commits it
            rows, passes = decode.blocks(model, prompts, limit=16, block_size=size, threshold=0.5)
            self.assertEqual(rows, right, size)
            if size == 8:
                self.assertLess(passes[0], 16)

    def test_masked(self):
        model = self.learned(masked, 400)
        prompts = [[12, 13, 14, 15], [27, 28, 29, 10]]
        right = [[(p[-1] - 10 + i) % 20 + 10 for i in range(1, 17)] for p in prompts]
        self.assertEqual(decode.masked(model, prompts, limit=16, block_size=8)[0], right)


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = Path(cls.folder.name)
        subprocess.run([sys.executable, "-m", "training.models.prepare", "texts", "--run", cls.path], check=True, capture_output=True)
        subprocess.run([sys.executable, "-m", "training.models.tokenizer", "--run", cls.path], check=True, capture_output=True)
        subprocess.run([sys.executable, "-m", "training.models.prepare", "tokens", "--run", cls.path, "--scale", "0.003"], check=True,
                       capture_output=True)
        cls.tokenizer = Tokenizer.from_file(str(cls.path / "tokenizer.json"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_training(self, name, *arguments):
        subprocess.run([sys.executable, "-m", "training.models.train", "--run", self.path / name, "--tokens", self.path, "--size", "smoke",
                        "--batch", "2", "--length", "64", "--log-every", "4", "--threads", "1", "--plateau", "2", *map(str, arguments)],
                       check=True, capture_output=True)
        return torch.load(self.path / name / "checkpoint.pt", weights_only=True)

    def same(self, a, b):
        for key, value in a["model"].items():
            self.assertTrue(torch.equal(value, b["model"][key]), key)

    def test_two_runs_give_identical_weights(self):
        for objective in ("autoregressive", "block", "masked"):
            a, b = (self.run_training(f"{objective}-{i}", "--objective", objective, "--steps", 8, "--decay-steps", 4) for i in range(2))
            self.same(a, b)

    def test_a_resumed_run_equals_an_uninterrupted_one(self):
        whole = self.run_training("whole", "--steps", 8, "--decay-steps", 0)
        self.run_training("parts", "--steps", 4, "--decay-steps", 0)
        state = torch.load(self.path / "parts" / "checkpoint.pt", weights_only=True)
        state["decaying"] = False
        torch.save(state, self.path / "parts" / "checkpoint.pt")
        self.same(whole, self.run_training("parts", "--steps", 8, "--decay-steps", 0))

    def test_the_tokenizer_keeps_list_items_and_digits_whole(self):
        check(self.tokenizer)
        self.assertLessEqual(self.tokenizer.get_vocab_size(), 4096)
        for text in ("Grün ist schön, 日本語!", '{"a": [1, 2]}\n\n\tx  ', "<tool_call>\n{}\n</tool_call>"):
            ids = self.tokenizer.encode(text, add_special_tokens=False).ids
            self.assertEqual(self.tokenizer.decode(ids, skip_special_tokens=False), text)

    def test_answers_weigh_and_windows_begin_with_documents(self):
        found = sources(self.path, "train")
        b = batch(found, "stable", 1, 0, 8, 128)
        self.assertEqual(b.ids.shape, (8, 129))
        self.assertTrue(torch.equal(b.ids, batch(found, "stable", 1, 0, 8, 128).ids))
        self.assertFalse(torch.equal(b.ids, batch(found, "stable", 1, 1, 8, 128).ids))
        documents = list(prepare.documents("lists", "train", 50, None))
        turn = "<|im_start|>assistant\n"
        self.assertTrue(all(t.endswith(turn) for d in documents for t, w in d if w == prepare.QUESTION_WEIGHT and t != "\n"))
        r = np.random.default_rng(1)
        for i in range(30):
            ids, weights = filled(r, *found["lists"].document(r, 500))
            trailing = 0
            while weights[-1 - trailing] != 1:
                trailing += 1
            self.assertEqual(trailing % 16, 0, i)
            self.assertEqual(len(ids), len(weights))

    def test_exports_compute_the_same(self):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        state = self.run_training("exported", "--steps", 4, "--decay-steps", 0)
        config = Config(**state["config"])
        model = Network(config)
        model.load_state_dict(state["model"])
        ids = torch.tensor([self.tokenizer.encode("One day, a fox ran.").ids])
        write_folder(self.path / "hf", config, state["model"], self.tokenizer, "autoregressive")
        other = AutoModelForCausalLM.from_pretrained(self.path / "hf")
        with torch.no_grad():
            torch.testing.assert_close(other(ids).logits, model(ids), rtol=1e-3, atol=1e-4)
        template = AutoTokenizer.from_pretrained(self.path / "hf")
        sample = next(generate(1, "train", 1))
        self.assertTrue(template.apply_chat_template(sample.messages(False), tokenize=False, add_generation_prompt=True).endswith(
            "<|im_end|>\n<|im_start|>assistant\n"))
        loaded_config, weights = read_weights(self.path / "hf")
        self.assertEqual(loaded_config, config)
        self.same({"model": weights}, state)
        write_gguf(self.path / "x.gguf", config, state["model"], self.tokenizer, "Q8_0", "test")
        loaded_config, weights = read_weights(self.path / "x.gguf")
        self.assertEqual(loaded_config.to_dict().keys(), config.to_dict().keys())
        for key, value in state["model"].items():
            torch.testing.assert_close(weights[key], value, rtol=0.01, atol=float(value.abs().max()) / 120)
        write_gguf(self.path / "m.gguf", config, state["model"], self.tokenizer, "F16", "test", "masked")
        loaded_config, weights = read_weights(self.path / "m.gguf")
        for key, value in state["model"].items():
            torch.testing.assert_close(weights[key], value, rtol=1e-3, atol=1e-4)
        write_folder(self.path / "llada", config, state["model"], self.tokenizer, "masked")
        self.assertEqual(json.loads((self.path / "llada" / "config.json").read_text())["model_type"], "llada")


if __name__ == "__main__":
    unittest.main()
