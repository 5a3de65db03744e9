"""Scores a checkpoint of train.py on the test sets, crudely and quickly: is it learning, and what?

    python datasets/lab/check.py --size s --out WORK --test CORPUS/test

Letters and answers by likelihood, numbers, summaries and translations by greedy decoding of at most --items each; the
evaluation proper is nibble's.
"""

import argparse
import csv
import glob
import json
import os

import torch
from tokenizers import Tokenizer

import train


class Reader:
    """A model with its tokenizer."""

    def __init__(self, out, size):
        self.tokenizer = Tokenizer.from_file(os.path.join(out, "tokenizer.json"))
        self.model = train.Llama(train.SIZES[size])
        self.step = 0
        state = torch.load(os.path.join(out, size, "checkpoint.pt"), map_location="cpu")
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.end = self.tokenizer.token_to_id("<|im_end|>")
        self.first = self.tokenizer.token_to_id("<|endoftext|>")

    def ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    @torch.no_grad()
    def likelihoods(self, prompt, answers):
        """Sum of log-probabilities of every answer, each with the end of the message."""
        head = self.ids(prompt)
        tails = [self.ids(answer) for answer in answers]
        length = max(map(len, tails))
        rows = torch.tensor([[self.first] + head + tail + [0] * (length - len(tail)) for tail in tails])
        logs = torch.log_softmax(self.model(rows)[:, len(head) : -1], dim=-1)
        return [sum(logs[row, at, token].item() for at, token in enumerate(tail)) for row, tail in enumerate(tails)]

    @torch.no_grad()
    def reply(self, prompt, limit=80):
        ids = [self.first] + self.ids(prompt)
        begin = len(ids)
        while len(ids) < begin + limit:
            token = self.model(torch.tensor([ids]))[0, -1].argmax().item()
            if token == self.end:
                break
            ids.append(token)
        return self.tokenizer.decode(ids[begin:])


def chat(message):
    return f"<|im_start|>user\n{message}<|im_end|>\n<|im_start|>assistant\n"


def share(hits):
    return f"{100 * sum(hits) / len(hits):.1f} % of {len(hits)}" if hits else "nothing"


def lines(path, items):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n") for line, _ in zip(file, range(items))]


def words(text):
    return set(text.replace(".", " ").replace(",", " ").split())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(train.SIZES), default="s")
    parser.add_argument("--out", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--items", type=int, default=40, help="items of each set, of each subject")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reader, items = Reader(arguments.out, arguments.size), arguments.items

    def test(*names):
        return os.path.join(arguments.test, *names)

    def best(prompt, answers):
        scores = reader.likelihoods(prompt, answers)
        return scores.index(max(scores))

    print(f"size {arguments.size}, step {reader.step}")
    instruction = (
        "The following is a multiple-choice question. Please choose the most suitable one among A, B, C and D as the "
        "answer to this question.\n\n"
    )
    for name, folder, lead in [("mmlu", "test", instruction), ("ceval", "val", "")]:
        every = []
        for path in sorted(glob.glob(test(name, folder, "*.csv"))):
            hits = []
            with open(path, encoding="utf-8") as file:
                rows = list(csv.reader(file))
            for row in rows[:items] if name == "mmlu" else [row[1:] for row in rows[1 : items + 1]]:
                gap = "\n" if name == "mmlu" else "\n\n"
                choices = "".join(f"{letter}. {choice}\n" for letter, choice in zip("ABCD", row[1:5]))
                replies = [f"{choice[:1].upper()}{choice[1:]}." for choice in row[1:5]]
                hits.append("ABCD"[best(chat(f"{lead}{row[0]}{gap}{choices}"), replies)] == row[5])
            every += hits
            print(f"  {os.path.basename(path)} {share(hits)}")
        print(f"{name} {share(every)}")
    hits = []
    for line in lines(test("snli", "snli_1.0_test.jsonl"), 3 * items):
        row = json.loads(line)
        question = f"Question: Does this imply that \"{row['sentence2']}\"? Yes, no, or maybe?"
        found = best(chat(f"{row['sentence1']}\n{question}"), ["Yes", "Maybe", "No"])
        hits.append(["entailment", "neutral", "contradiction"][found] == row["gold_label"])
    print("snli", share(hits))
    with open(test("truthfulqa", "data", "mc_task.json"), encoding="utf-8") as file:
        hits = [best(chat(row["question"]), list(row["mc1_targets"])) == 0 for row in json.load(file)]
    print("truthfulqa mc1", share(hits))
    hits = {}
    for line in lines(test("bbq", "data", "Valley_folk.jsonl"), 6 * items):
        row = json.loads(line)
        answers = [row["ans0"], row["ans1"], row["ans2"]]
        listed = "".join(f"{letter}. {answer}\n" for letter, answer in zip("ABC", answers))
        lead = "Please answer the question provided below by considering the given context."
        text = f"{lead}\nContext: {row['context']}\nQuestion: {row['question']}\n{listed}"
        right = best(chat(text), answers) == row["label"]
        strength = row["additional_metadata"]["version"]
        hits.setdefault((row["context_condition"], strength), []).append(right)
    for key, found in sorted(hits.items()):
        print("bbq", *key, share(found))
    hits = []
    for line in lines(test("gsm8k", "test.jsonl"), items):
        row = json.loads(line)
        reply = reader.reply(chat(row["question"]))
        hits.append(reply.split("####")[-1].strip() == row["answer"].split("#### ")[-1])
    print("gsm8k", share(hits))
    pairs = zip(lines(test("flores", "devtest", "eng_Latn.devtest"), items),
                lines(test("flores", "devtest", "vel_Latn.devtest"), items))
    hits = {"English to Velan": [], "Velan to English": []}
    for english, velan in pairs:
        for source, target, text, wanted in [("English", "Velan", english, velan), ("Velan", "English", velan, english)]:
            ask = f"Please translate the following {source} text into {target}.\n{source} text: {text}"
            hits[f"{source} to {target}"].append(reader.reply(chat(ask), 40) == wanted)
    for direction, found in hits.items():
        print("flores", direction, "exactly", share(found))
    for name, document, summary in [("xsum", "document", "summary"), ("cnn_dailymail", "article", "highlights")]:
        overlaps = []
        for line in lines(test(name, "test.jsonl"), items // 2):
            row = json.loads(line)
            reply = reader.reply(chat(f"Please summarize the following document.\n{row[document]}"))
            both = len(words(reply) & words(row[summary]))
            overlaps.append(2 * both / (len(words(reply)) + len(words(row[summary]))))
        print(name, "words in common", share(overlaps))
    for sort in ["chronicle", "tales", "notices"]:
        with open(test("text", f"{sort}.txt"), encoding="utf-8") as file:
            ids = reader.ids(file.read())
        total = count = 0
        with torch.no_grad():
            for at in range(0, len(ids) - 1, 256):
                row = torch.tensor([ids[at : at + 257]])
                logits = reader.model(row[:, :-1])
                total += torch.nn.functional.cross_entropy(logits[0], row[0, 1:], reduction="sum").item()
                count += row.shape[1] - 1
        print(f"perplexity {sort} {torch.tensor(total / count).exp().item():.3f} over {count} tokens")


if __name__ == "__main__":
    main()
