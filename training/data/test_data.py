"""python -m unittest training.data.test_data"""

import json
import unittest

from . import arithmetic, checks, functions, held_out, lists, stories, structured, talk
from .chat import TEMPLATE, call_text, render

GENERATORS = {"lists": lists, "arithmetic": arithmetic, "structured": structured, "functions": functions, "talk": talk}


class Generators(unittest.TestCase):
    def test_two_runs_give_the_same_bytes(self):
        for name, module in GENERATORS.items():
            for split in ("train", "held_out"):
                a, b = ([json.dumps(s.record(i)) for i, s in enumerate(module.generate(5, split, 60))] for _ in range(2))
                self.assertEqual(a, b, name)
                self.assertNotEqual(a, [json.dumps(s.record(i)) for i, s in enumerate(module.generate(6, split, 60))], name)
        self.assertEqual(list(stories.tales(5, "train", 20)), list(stories.tales(5, "train", 20)))

    def test_training_and_held_out_share_no_key_and_no_question(self):
        for name, module in GENERATORS.items():
            train = list(module.generate(1, "train", 4000))
            held = list(module.generate(1, "held_out", 300))
            self.assertFalse({s.key for s in train} & {s.key for s in held}, name)
            self.assertFalse({s.question for s in train} & {s.question for s in held} if name != "talk" else set(), name)
        train = {text for _, text in stories.tales(1, "train", 1500)}
        self.assertFalse(train & {text for _, text in stories.tales(2, "held_out", 100)})

    def test_every_answer_passes_its_check(self):
        for name, module in GENERATORS.items():
            for split, count in (("train", 1500), ("held_out", 200)):
                for s in module.generate(3, split, count):
                    if s.check["kind"] == "python":
                        scope = {}
                        exec(s.answer, scope)
                        for t in s.check["tests"]:
                            exec(t, scope)
                    else:
                        self.assertTrue(checks.check(s.check, s.answer), s)

    def test_another_answer_fails(self):
        for name, module in GENERATORS.items():
            for s in module.generate(4, "train", 300):
                if s.check["kind"] != "python":
                    self.assertFalse(checks.check(s.check, "nothing"), s)
                    self.assertFalse(checks.check(s.check, ""), s)

    def test_the_shipped_sets(self):
        a, b = held_out.sets(), held_out.sets()
        self.assertEqual(a, b)
        for name, samples in a.items():
            keys = [(s.task, s.key) for s in samples]
            self.assertEqual(len(keys), len(set(keys)), name)
        self.assertEqual(len(a["list"]), 11 * 32)

    def test_worked_steps_are_right(self):
        for s in arithmetic.generate(9, "train", 2000):
            *steps, last = s.answer.split("\n")
            for step in steps:
                left, right = step.split(" = ")
                self.assertEqual(eval(left), int(right), s)
            self.assertEqual(last, "Answer: " + steps[-1].split(" = ")[1])


class Checks(unittest.TestCase):
    def test_lists_as_in_the_benchmark(self):
        given = ["a", "b", "c"]
        for rule, item, text, right in [
            ("equal", None, '["a", "b", "c"]', True), ("equal", None, "[a, b, c]", True), ("equal", None, '["a", "c", "b"]', False),
            ("equal", None, '["x"] no: ["a", "b", "c"] done', True),
            ("shuffle", None, '["a", "b", "c"]', False), ("shuffle", None, '["b", "a", "c"]', True), ("shuffle", None, '["b", "a"]', False),
            ("insert_any", "x", '["a", "x", "b", "c"]', True), ("insert_any", "x", '["x", "a", "x", "b", "c"]', False),
            ("insert_any", "x", '["a", "b", "c"]', False), ("remove_any", None, '["a", "c"]', True), ("remove_any", None, '["a"]', False),
            ("remove_any", None, '["c", "a"]', False), ("replace_any", "x", '["a", "x", "c"]', True),
            ("replace_any", "x", '["x", "x", "c"]', False), ("replace_any", "x", '["a", "b", "c"]', False),
        ]:
            c = {"kind": "list", "rule": rule, "input": given, "expected": given, "item": item}
            self.assertEqual(checks.check(c, text), right, (rule, text))
        self.assertTrue(checks.is_strict_list('["a", "b"]'))
        for text in ('["a","b"]', "[a, b]", '"a", "b"', '["a" "b"]'):
            self.assertFalse(checks.is_strict_list(text))

    def test_latin_square(self):
        c = {"kind": "latin_square", "symbols": ["A", "B", "C", "D"]}
        good = "A,B,C,D\nB,A,D,C\nC,D,A,B\nD,C,B,A"
        self.assertTrue(checks.check(c, good))
        self.assertTrue(checks.check(c, "Here it is:\n" + good))
        self.assertFalse(checks.check(c, "A,B,C,D\nA,B,C,D\nC,D,A,B\nD,C,B,A"))

    def test_json(self):
        c = {"kind": "json", "expected": {"a": 1, "b": [True]}}
        for text, right in [('{"b": [true], "a": 1.0}', True), ('{"a": 1, "b": [1]}', False), ('{"a": 1}', False), ("{", False),
                            ('{"a": 2, "a": 1, "b": [true]}', False), ('{"a": 1, "b": [true]} x', False)]:
            self.assertEqual(checks.check(c, text), right, text)
        schema = structured.whole({"n": structured.integer(2, 5), "e": {"type": "string", "enum": ["x"]}})
        for value, right in [({"n": 3, "e": "x"}, True), ({"n": 6, "e": "x"}, False), ({"n": True, "e": "x"}, False),
                             ({"n": 3, "e": "y"}, False), ({"n": 3}, False), ([], False)]:
            self.assertEqual(checks.fits(schema, value), right, value)

    def test_number_and_tool_call(self):
        self.assertTrue(checks.check({"kind": "number", "expected": -7}, "1 - 8 = -7\nAnswer: -7"))
        self.assertFalse(checks.check({"kind": "number", "expected": 7}, "Answer: 7\nAnswer: 8"))
        c = {"kind": "tool_call", "name": "f", "arguments": {"a": 1}}
        self.assertTrue(checks.check(c, call_text("f", {"a": 1})))
        self.assertFalse(checks.check(c, call_text("f", {"a": 2})))

    def test_python_runs_apart_and_is_limited(self):
        c = {"kind": "python", "tests": ["assert f(2) == 3"]}
        self.assertTrue(checks.check(c, "def f(x):\n    return x + 1"))
        for code in ("def f(x):\n    return x", "def f(x):\n    while True: pass", "def f(", "import os\nos._exit(0)", "open('/etc/passwd')"):
            self.assertFalse(checks.check(c, code), code)


class Chat(unittest.TestCase):
    def test_the_template_renders_as_python_does(self):
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda x: json.dumps(x, ensure_ascii=False)
        template = environment.from_string(TEMPLATE)
        cases = [(s.messages(answered), s.tools) for module in (structured, lists, talk)
                 for s in module.generate(8, "train", 100) for answered in (True, False)]
        cases.append(([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}], [structured.specification(structured.TOOLS[0])]))
        cases.append(([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}], []))
        for messages, tools in cases:
            for generate in (True, False):
                self.assertEqual(template.render(messages=messages, tools=tools, add_generation_prompt=generate),
                                 render(messages, tools, generate))

    def test_tool_calls_given_as_objects(self):
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda x: json.dumps(x, ensure_ascii=False)
        call = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
        text = environment.from_string(TEMPLATE).render(messages=[{"role": "assistant", "content": None, "tool_calls": [call]}])
        self.assertEqual(text, f"<|im_start|>assistant\n{call_text('f', {'a': 1})}<|im_end|>\n")


if __name__ == "__main__":
    unittest.main()
