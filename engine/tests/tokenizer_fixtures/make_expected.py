#!/usr/bin/env python3
"""Encodes and decodes awkward texts with the Python library `tokenizers` and writes expected.json.

    make_expected.py MODELS_DIRECTORY        run with tokenizers 0.23.3

"bare" and "full" are the ids without and with the post-processor's tokens, "keep" and "skip" the text of "full" with and
without special tokens.
"""
import json
import os
import sys

from tokenizers import Tokenizer

TEXTS = [
 "", " ", "  ", "     ", "\n", "\n\n\n", "\t", "a", " a", "a ", "  a  b   c    ", "Once upon a time, there was a little girl named Lily.",
 "Hello, world!", "don't can't I'll we've THEY'RE", "tab\tseparated\tvalues", "line one\nline two\r\nline three\n", "trailing newline\n", "\nleading newline",
 "1234567890 3.14159 -42 1,000,000", "naïve café Ångström Zürich", "e\u0301 versus \u00e9", "Привет, мир! Ещё раз.", "日本語のテキスト。全角　空白", "中文没有空格", "한국어 텍스트", "العربية من اليمين", "עברית", "हिन्दी में पाठ", "ภาษาไทย",
 "😀 😃👍🏽 👨‍👩‍👧‍👦 🇩🇪", "zero\u200bwidth\u200djoiner\ufeff", "nbsp\u00a0here", "math ∑∞ √2 ≠ 3 ± ½", "quotes “curly” ‘single’ «angle» „low“", "dash – em — ellipsis…",
 "<s>", "</s>", "<s>hello</s>", "a<s>b</s>c<unk>d", " <s> </s> ", "<S>", "<s", "_[inst]", "_[inst]hello_[/inst]", "x _[inst] y _[/inst] z", "<|endoftext|>", "<|im_start|>user\nhi<|im_end|>\n",
 "def f(x):\n    if x > 0:\n        return {'a': [1, 2]}\n", "https://example.org/a?b=c&d=%20", "UPPER lower MiXeD", "under_score __dunder__", "▁literal▁block", "<0x41><0xE2>", "Ġbyte Ċlevel", "\u0000\u0001\u007f", "a\u0300\u0301\u0302", "ﬁ ligature ½ ² ①", "İstanbul ıI", "\ufffd", "\U0010ffff", "lorem " * 4, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "!!!???...;;;", "'s 't 're",
]

expected = {}
for model in ("stories260K", "craftgpt-5M"):
    tokenizer = Tokenizer.from_file(os.path.join(sys.argv[1], model, "tokenizer.json"))
    expected[model] = []
    for text in TEXTS:
        full = tokenizer.encode(text).ids
        expected[model].append({
            "text": text, "bare": tokenizer.encode(text, add_special_tokens=False).ids, "full": full,
            "keep": tokenizer.decode(full, skip_special_tokens=False), "skip": tokenizer.decode(full)})
rows = ",\n".join(f' "{model}": [\n' + ",\n".join("  " + json.dumps(case) for case in cases) + "\n ]"
                  for model, cases in expected.items())
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected.json"), "w") as file:
    file.write("{\n" + rows + "\n}\n")
