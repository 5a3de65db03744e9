#!/usr/bin/env python3
"""Renders the templates of this directory with transformers' own Jinja environment and writes expected.json.

Run with transformers 5.23.0 and jinja2 3.1.6. The templates are written for this test.
"""
import datetime
import json
import os

import jinja2
from transformers.utils import chat_template_utils

HERE = os.path.dirname(os.path.abspath(__file__))


def turns(*pairs):
    return [{"role": role, "content": content} for role, content in pairs]


ASK = turns(("user", "  What is 2+2?\n"))
SYSTEM = turns(("system", " You are terse. "), ("user", "Hello"))
LONG = turns(("system", "S"), ("user", "one\ntwo"), ("assistant", " <think>\nhm\n</think>\n\n3 "), ("user", "naïve 😀 <|im_end|>"))
TWO_ANSWERS = turns(("user", "q"), ("assistant", "a"), ("assistant", "<think>\n\nx\n\n</think>\n\n\nb"))
STOP = turns(("user", "u"), ("assistant", "a"), ("stop", ""), ("user", "never"))
TOOL = turns(("user", "u"), ("tool", "{}"), ("tool", "[]"), ("assistant", "done"))
TWO_USERS = turns(("user", "a"), ("user", "b"))
DATA = {"name": "é", "list": [1, 2.5, None, True, "x"], "nested": {"z": {}, "a": [], "q": "\"quoted\""}, "big": 12345678901234567890,
        "float": 1e22, "small": 1e-7}
SCHEMA = {"type": "function", "function": {"name": "add", "description": "adds <a> & 'b'", "parameters": {
    "type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}}}
CASES = [(name, messages, generation, extra)
         for name in ("turns", "brackets", "headers", "alternation", "tools", "thinking", "blocks")
         for messages in (ASK, SYSTEM, LONG, TWO_ANSWERS, STOP, TOOL, TWO_USERS)
         for generation, extra in ((False, {}), (True, {}))]
CASES += [("tools", ASK, True, {"tools": [SCHEMA, DATA]}), ("headers", SYSTEM, True, {"tools": [SCHEMA]}),
          ("headers", SYSTEM, True, {"date_string": "1 Jan 2000"}), ("thinking", LONG, True, {"enable_thinking": False}),
          ("thinking", LONG, True, {"enable_thinking": True}), ("values", LONG, True, {"data": DATA}),
          ("blocks", [], False, {}), ("turns", [], True, {})]


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


def main():
    chat_template_utils.datetime = FixedClock
    expected = []
    for name, messages, generation, extra in CASES:
        source = open(os.path.join(HERE, name + ".jinja"), encoding="utf-8").read()
        entry = {"template": name, "messages": messages, "generation_prompt": generation, "extra": extra}
        try:
            variables = dict(extra)
            rendered, _ = chat_template_utils.render_jinja_template(
                [messages], tools=variables.pop("tools", None), chat_template=source, add_generation_prompt=generation,
                bos_token="<s>", eos_token="</s>", **variables)
            entry["text"] = rendered[0]
        except jinja2.exceptions.TemplateRuntimeError as error:
            entry["fails"] = error.message
        except jinja2.exceptions.TemplateError as error:
            entry["refused"] = error.message
        expected.append(entry)
    with open(os.path.join(HERE, "expected.json"), "w", encoding="utf-8") as file:
        rows = (json.dumps(entry, ensure_ascii=False) for entry in expected)
        file.write("[\n" + ",\n".join(rows) + "\n]\n")


main()
