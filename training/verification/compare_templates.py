"""Renders random conversations with chat templates by `blockwise template` and by Jinja, and compares every byte.

    python training/verification/compare_templates.py --blockwise .build/release/blockwise --model MODEL \
        --templates DIR --cases 2000

DIR holds `*.jinja` files; MODEL is any folder with a tokenizer that names bos and eos tokens. Jinja is set up as
`transformers` does. Conversations include tool calls, results, thoughts, missing and odd contents, wrong orders: about half
of them are refused by the template, and then both have to refuse. Needs `jinja2` (made with 3.1.6).
"""

import argparse
import datetime
import json
import pathlib
import random
import subprocess
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

PIECES = [
    "a", "b", "0", "é", "🙂", "\n", "\r\n", "\t", " ", "\u2028", "\x1b", '"', "'", "\\", "|", "{{ x }}", "<think>", "</think>",
    "<tool_response>", "</tool_response>", "/think", "/no_think", "/system_override",
]


def environment():
    """Jinja with the settings, filters and functions of `transformers`."""

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.TemplateError(message)

    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return made


class Conversations:
    """Random requests."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self):
        return "".join(self.random.choice(PIECES) for _ in range(self.random.randint(0, 12)))

    def value(self, depth=0):
        kind = self.random.randint(0, 6 if depth < 3 else 4)
        if kind == 5:
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 3))]
        if kind == 6:
            return {self.text() or "k": self.value(depth + 1) for _ in range(self.random.randint(0, 3))}
        return [None, True, self.random.randint(-5, 10**6), self.random.choice([1.5, 1e-7, 1e20, 3.0]), self.text()][kind]

    def tool(self):
        kinds = ["string", "integer", ["string", "null"], "array", "object"]
        properties = {
            self.random.choice("abcd"): {"type": self.random.choice(kinds), "description": self.text()}
            for _ in range(self.random.randint(0, 3))
        }
        function = {
            "name": self.random.choice(["f", "get_x"]), "description": self.text(),
            "parameters": {"type": "object", "properties": properties, "required": ["a"]},
        }
        if self.random.random() < 0.2:
            function["return"] = {"type": "string", "description": self.text()}
        return {"type": "function", "function": function} if self.random.random() < 0.8 else function

    def call(self):
        arguments = self.random.choice([{"a": self.value()}, json.dumps({"a": 1}), self.value()])
        return {
            "id": self.random.choice(["abcdefghi", "x"]), "type": "function",
            "function": {"name": "f", "arguments": arguments},
        }

    def message(self, role):
        message = {"role": role, "content": self.text() if self.random.random() < 0.9 else self.value()}
        if role == "assistant" and self.random.random() < 0.3:
            message["tool_calls"] = [self.call() for _ in range(self.random.randint(0, 2))]
        if role == "assistant" and self.random.random() < 0.2:
            message["reasoning_content"] = self.random.choice([None, self.text()])
        if role == "tool":
            message |= {"name": "f", "tool_call_id": "abcdefghi"}
        if self.random.random() < 0.05:
            message.pop("content")
        return message

    def request(self):
        messages = [self.message("system")] if self.random.random() < 0.4 else []
        alternates = self.random.random() < 0.6
        for index in range(self.random.randint(0, 6)):
            roles = ["user", "assistant", "tool", "system", "weird"]
            role = roles[index % 2] if alternates else self.random.choice(roles)
            messages.append(self.message(role))
            if alternates and "tool_calls" in messages[-1] and self.random.random() < 0.7:
                messages.append(self.message("tool"))
        request = {"messages": messages}
        if self.random.random() < 0.4:
            request["tools"] = [self.tool() for _ in range(self.random.randint(0, 3))]
        for key in ["enable_thinking", "add_generation_prompt", "tools_in_user_message"]:
            if self.random.random() < 0.12:
                request[key] = self.random.choice([True, False])
        for key in ["xml_tools", "python_tools", "custom_tools"]:
            if self.random.random() < 0.12:
                request[key] = [self.tool()]
        if self.random.random() < 0.12:
            request["builtin_tools"] = ["f", "code_interpreter"]
        return request


def token(configuration, key):
    value = configuration.get(key)
    return value["content"] if isinstance(value, dict) else value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blockwise", required=True)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--templates", required=True, type=pathlib.Path)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    configuration = json.loads((options.model / "tokenizer_config.json").read_text())
    made = environment()
    templates = sorted(options.templates.glob("*.jinja"))
    conversations = Conversations(options.seed)
    rendered = refused = different = 0
    for _ in range(options.cases):
        template = conversations.random.choice(templates)
        request = json.dumps(conversations.request(), ensure_ascii=False)
        variables = {
            "bos_token": token(configuration, "bos_token"), "eos_token": token(configuration, "eos_token"), "tools": None,
            "documents": None, "add_generation_prompt": True,
        }
        try:
            source = template.read_bytes().decode()
            expected = made.from_string(source).render(**(variables | json.loads(request)))
        except Exception:  # noqa: BLE001: whatever Jinja and Python refuse has to be refused
            expected = None
        result = subprocess.run(
            [options.blockwise, "template", "--model", options.model, "--template-file", template],
            input=request.encode(), capture_output=True)
        found = result.stdout.decode() if result.returncode == 0 else None
        if found != expected or result.returncode not in (0, 1):
            different += 1
            print(f"{template.name} {request}\n  expected {expected!r}\n  found {found!r} {result.stderr.decode()}")
        elif expected is None:
            refused += 1
        else:
            rendered += 1
    print(f"{len(templates)} templates, {options.cases} conversations: {rendered} rendered alike, {refused} refused by both, {different} different")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
