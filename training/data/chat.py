"""The chat format of our models, and its Jinja template (`tokenizer_config.json`, `tokenizer.chat_template`).

`render` is the template in Python; a test holds the two together.
"""

import json

END, START_TURN, END_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

TEMPLATE = (
    "{%- if tools %}"
    "{{- '<|im_start|>system\\n' }}"
    "{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n' }}{%- endif %}"
    "{{- 'Tools:\\n' }}"
    "{%- for tool in tools %}{{- (tool.function if tool.function else tool) | tojson }}{{- '\\n' }}{%- endfor %}"
    "{{- '<|im_end|>\\n' }}"
    "{%- endif %}"
    "{%- for message in messages %}"
    "{%- if not (tools and loop.first and message.role == 'system') %}"
    "{{- '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.content %}{{- message.content }}{%- endif %}"
    "{%- if message.tool_calls %}{%- for call in message.tool_calls %}"
    "{%- set f = call.function if call.function else call %}"
    "{{- '<tool_call>\\n{\"name\": \"' + f.name + '\", \"arguments\": ' }}"
    "{{- f.arguments if f.arguments is string else f.arguments | tojson }}{{- '}\\n</tool_call>' }}"
    "{%- endfor %}{%- endif %}"
    "{{- '<|im_end|>\\n' }}"
    "{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def call_text(name: str, arguments: dict) -> str:
    return "<tool_call>\n" + json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False) + "\n</tool_call>"


def render(messages: list, tools=(), generate: bool = False) -> str:
    """The text of a conversation; with `generate`, ready for the assistant's answer."""
    out = []
    if tools:
        first = messages[0]["content"] + "\n" if messages[0]["role"] == "system" else ""
        shown = "".join(json.dumps(t.get("function", t), ensure_ascii=False) + "\n" for t in tools)
        out.append(f"{START_TURN}system\n{first}Tools:\n{shown}{END_TURN}\n")
    for i, message in enumerate(messages):
        if not (tools and i == 0 and message["role"] == "system"):
            out.append(f"{START_TURN}{message['role']}\n{message['content']}{END_TURN}\n")
    if generate:
        out.append(f"{START_TURN}assistant\n")
    return "".join(out)
