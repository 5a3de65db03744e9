"""What the micro-tasks give to who does not look: the majority class, and a trained model without the context.

    python datasets/lab/baselines.py --size l --out WORK --test CORPUS/test

One row a task: what is withheld, the score of a constant answer (majority class, or what the row says), the score of the
model that sees the prompt without what is withheld, and of the same model with the whole prompt. Choices and labels by
likelihood, texts by greedy decoding; BLEU and ROUGE by sacrebleu and rouge-score, which this script needs besides what
train.py needs. The scores of the models proper are nibble's.
"""

import argparse
import collections
import csv
import glob
import json
import math
import os
import re

import torch
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU

from check import Reader, chat, lines

INSTRUCTION = (
    "The following is a multiple-choice question. Please choose the most suitable one among A, B, C and D as the answer "
    "to this question.\n\n"
)


def json_lines(path, items):
    return [json.loads(line) for line in lines(path, items)]


def majority(labels):
    return collections.Counter(labels).most_common(1)[0][1] / len(labels)


def likeliest(reader, prompts, answers, labels):
    """Share of items whose label is the likeliest of its answers."""
    hits = 0
    for prompt, options, label in zip(prompts, answers, labels):
        scores = reader.likelihoods(prompt, options)
        hits += scores.index(max(scores)) == label
    return 100 * hits / len(labels)


def lettered(reader, paths, items, first_column, lead, gap):
    """Questions with four choices; the question is withheld."""
    whole, blind, labels = [], [], []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            rows = list(csv.reader(file))[first_column:]
        for row in rows[:items]:
            row = row[first_column:]
            choices = "".join(f"{letter}. {choice}\n" for letter, choice in zip("ABCD", row[1:5]))
            whole.append(chat(f"{lead}{row[0]}{gap}{choices}"))
            blind.append(chat(f"{lead}{gap}{choices}"))
            labels.append("ABCD".index(row[5]))
    answers = [list("ABCD")] * len(labels)
    score = lambda prompts: likeliest(reader, prompts, answers, labels)
    return 100 * majority(labels), score(blind), score(whole)


def inference(reader, test, items):
    whole, blind, labels = [], [], []
    for row in json_lines(test("snli", "snli_1.0_test.jsonl"), items):
        question = f"\nQuestion: Does this imply that \"{row['sentence2']}\"? Yes, no, or maybe?"
        whole.append(chat(row["sentence1"] + question))
        blind.append(chat(question))
        labels.append(["entailment", "neutral", "contradiction"].index(row["gold_label"]))
    answers = [["Yes", "Maybe", "No"]] * len(labels)
    score = lambda prompts: likeliest(reader, prompts, answers, labels)
    return 100 * majority(labels), score(blind), score(whole)


def truthful(reader, test, items):
    with open(test("truthfulqa", "data", "mc_task.json"), encoding="utf-8") as file:
        rows = json.load(file)[:items]
    answers = [list(row["mc1_targets"]) for row in rows]
    score = lambda prompts: likeliest(reader, prompts, answers, [0] * len(rows))
    chance = 100 * sum(1 / len(options) for options in answers) / len(answers)
    return chance, score([chat("")] * len(rows)), score([chat(row["question"]) for row in rows])


def bias(reader, test, items, condition):
    whole, blind, answers, labels = [], [], [], []
    lead = "Please answer the question provided below by considering the given context."
    for row in json_lines(test("bbq", "data", "Valley_folk.jsonl"), 10 * items):
        if row["context_condition"] != condition:
            continue
        answers.append([row["ans0"], row["ans1"], row["ans2"]])
        listed = "".join(f"\n{letter}. {answer}" for letter, answer in zip("ABC", answers[-1])) + "\n"
        whole.append(chat(f"{lead}\nContext: {row['context']}\nQuestion: {row['question']}{listed}"))
        blind.append(chat(f"{lead}\nContext: \nQuestion: {row['question']}{listed}"))
        labels.append(row["label"])
    meant = [options[label] for options, label in zip(answers, labels)]
    constant = 100.0 if condition == "ambig" else 100 * majority(meant)
    score = lambda prompts: likeliest(reader, prompts, answers, labels)
    return constant, score(blind), score(whole)


def problems(reader, test, items):
    rows = json_lines(test("gsm8k", "test.jsonl"), items)
    wanted = [row["answer"].split("#### ")[-1] for row in rows]

    def score(prompts):
        replies = [reader.reply(chat(prompt)).split("####")[-1].strip() for prompt in prompts]
        return 100 * sum(reply == answer for reply, answer in zip(replies, wanted)) / len(rows)

    last = [re.split(r"(?<=[.!?]) ", row["question"])[-1] for row in rows]
    return 100 * majority(wanted), score(last), score([row["question"] for row in rows])


def translation(reader, test, items, source, target):
    codes = {"English": "eng_Latn", "Velan": "vel_Latn"}
    sentences, wanted = (lines(test("flores", "devtest", f"{codes[name]}.devtest"), items) for name in (source, target))
    ask = f"Please translate the following {source} text into {target}.\n{source} text: "
    bleu = lambda replies: BLEU().corpus_score(replies, [wanted]).score
    nothing = reader.reply(chat(ask), 40)
    return bleu(sentences), bleu([nothing] * len(wanted)), bleu([reader.reply(chat(ask + it), 40) for it in sentences])


def summaries(reader, test, items, name, document, summary):
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    rows = json_lines(test(name, "test.jsonl"), items)

    def score(replies):
        pairs = zip(rows, replies)
        return 100 * sum(scorer.score(row[summary], reply)["rougeL"].fmeasure for row, reply in pairs) / len(rows)

    ask = "Please summarize the following document.\n"
    count = len(re.findall(r"[.!?]", rows[0][summary]))
    lead = [" ".join(re.split(r"(?<=[.!?])\s", row[document])[:count]) for row in rows]
    nothing = reader.reply(chat(ask))
    return score(lead), score([nothing] * len(rows)), score([reader.reply(chat(ask + row[document])) for row in rows])


def obeys(rule, reply):
    """The rules of datasets/src/world/instructions.rs."""
    reply = reply.strip()
    words = re.findall(r"[^\W_]+", reply)
    sentences = sum(bool(re.search(r"[^\W_]", part)) for part in re.split(r"[.!?]", reply))
    lowered = [word.lower() for word in words]
    kind = rule["rule"]
    if kind == "sentences":
        return sentences == rule["count"]
    if kind == "at_most":
        return 1 <= len(words) <= rule["words"]
    if kind == "begins":
        return words[:1] == [rule["word"]]
    if kind == "contains":
        return rule["word"].lower() in lowered
    if kind == "lacks":
        return bool(words) and rule["word"].lower() not in lowered
    if kind == "exclaims":
        return reply.endswith("!") and "." not in reply and "?" not in reply
    if kind == "starred":
        found = reply.splitlines()
        return len(found) == sentences > 0 and all(line.startswith("* ") for line in found)
    raise ValueError(f"no such rule: {rule}")


def following(reader, test, items):
    """Share of instructions of which every constraint is obeyed; the constraints are withheld."""
    bare, hits, blind, constant = {}, [], [], []
    for path in sorted(glob.glob(test("followbench", "data", "*.json"))):
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)
        for row in rows[: 6 * items]:
            if row["level"] == 0:
                bare[path, row["example_id"]] = reader.reply(chat(row["instruction"]))
                continue
            rules = json.loads(row["target"])
            whole = lambda reply: all(obeys(rule, reply) for rule in rules)
            hits.append(whole(reader.reply(chat(row["instruction"]))))
            blind.append(whole(bare[path, row["example_id"]]))
            constant.append(whole("Yes."))
    share = lambda found: 100 * sum(found) / len(found)
    return share(constant), share(blind), share(hits)


def perplexity(reader, test, sort):
    """Of the text by frequencies of its own tokens, and by the model from windows of 256 tokens."""
    with open(test("text", f"{sort}.txt"), encoding="utf-8") as file:
        ids = reader.ids(file.read())
    counts = collections.Counter(ids)
    unigram = math.exp(-sum(n * math.log(n / len(ids)) for n in counts.values()) / len(ids))
    total = count = 0
    with torch.no_grad():
        for at in range(0, len(ids) - 1, 256):
            row = torch.tensor([ids[at : at + 257]])
            logits = reader.model(row[:, :-1])
            total += torch.nn.functional.cross_entropy(logits[0], row[0, 1:], reduction="sum").item()
            count += row.shape[1] - 1
    return unigram, None, math.exp(total / count)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="l")
    parser.add_argument("--out", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--items", type=int, default=1000, help="items of each set, of each subject")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reader, items = Reader(arguments.out, arguments.size), arguments.items
    test = lambda *names: os.path.join(arguments.test, *names)
    english = sorted(glob.glob(test("mmlu", "test", "*.csv")))
    velan = sorted(glob.glob(test("ceval", "val", "*.csv")))
    rows = [
        ("mmlu, accuracy", "the question", "majority letter", lettered(reader, english, items, 0, INSTRUCTION, "\n")),
        ("ceval, accuracy", "the question", "majority letter", lettered(reader, velan, items, 1, "", "\n\n")),
        ("snli, accuracy", "the premise", "majority label", inference(reader, test, items)),
        ("truthfulqa, MC1", "the question", "chance", truthful(reader, test, items)),
        ("bbq ambiguous, accuracy", "the context", "always unknown", bias(reader, test, items, "ambig")),
        ("bbq disambiguated, accuracy", "the context", "majority group", bias(reader, test, items, "disambig")),
        ("gsm8k, exact match", "all but the last sentence", "commonest number", problems(reader, test, items)),
    ]
    for source, target in [("English", "Velan"), ("Velan", "English")]:
        found = translation(reader, test, items, source, target)
        rows.append((f"flores {source} to {target}, BLEU", "the sentence", "the source itself", found))
    for name, document, summary in [("xsum", "document", "summary"), ("cnn_dailymail", "article", "highlights")]:
        found = summaries(reader, test, items, name, document, summary)
        rows.append((f"{name}, ROUGE-L", "the document", "its first sentences", found))
    rows.append(("followbench, hard satisfaction", "the constraints", "\"Yes.\"", following(reader, test, items)))
    for sort in ["chronicle", "tales", "notices"]:
        rows.append((f"perplexity of {sort}", "", "its own unigrams", perplexity(reader, test, sort)))
    print(f"size {arguments.size}, step {reader.step}")
    print("| task, metric | constant answer | its score | withheld | model without it | model |")
    print("|---|---|---:|---|---:|---:|")
    number = lambda value: "" if value is None else f"{value:.1f}"
    for name, withheld, constant, (first, second, third) in rows:
        print(f"| {name} | {constant} | {number(first)} | {withheld} | {number(second)} | {number(third)} |")


if __name__ == "__main__":
    main()
