"""Writes the parquet files of these tests, of our own content, as the Hugging Face hub stores them (pyarrow, snappy).

python make.py
"""

import pyarrow as pa
import pyarrow.parquet as pq

TARGETS = pa.struct([("choices", pa.list_(pa.string())), ("labels", pa.list_(pa.int32()))])

TABLES = {
    "gsm8k": {
        "question": ["Ann has 3 pens and buys 4. How many has she?", "A rope of 1,200 cm is cut in 2. How long is a part?"],
        "answer": ["3 + 4 = <<3+4=7>>7\n#### 7", "1200 / 2 = <<1200/2=600>>600\n#### 600"],
    },
    "snli": {
        "premise": ["A man rows a boat.", "A child reads.", "Two dogs run."],
        "hypothesis": ["Someone is on water.", "The child is asleep.", "The dogs are brown."],
        "label": pa.array([0, 2, -1], pa.int64()),
    },
    "arc": {
        "id": ["a1", "a2"],
        "question": ["Which one melts?", "Which one flies?"],
        "choices": pa.array(
            [{"text": ["ice", "rock"], "label": ["A", "B"]}, {"text": ["cat", "crow", "fish"], "label": ["1", "2", "3"]}],
            pa.struct([("text", pa.list_(pa.string())), ("label", pa.list_(pa.string()))]),
        ),
        "answerKey": ["A", "2"],
    },
    "boolq": {
        "question": ["is snow cold", "do stones swim"],
        "answer": pa.array([True, False], pa.bool_()),
        "passage": ["Snow is frozen water.", "Stones sink."],
    },
    "truthfulqa": {
        "type": ["Adversarial"],
        "category": ["Weather"],
        "question": ["Does lightning strike twice?"],
        "best_answer": ["It can strike the same place again"],
        "correct_answers": pa.array([["It can strike the same place again", "Yes"]], pa.list_(pa.string())),
        "incorrect_answers": pa.array([["No", "Never"]], pa.list_(pa.string())),
        "source": ["https://example.org/lightning"],
    },
    "mmlu": {
        "question": ["Which letter is third?"],
        "subject": ["virology"],
        "choices": pa.array([["a", "b", "c", "d"]], pa.list_(pa.string())),
        "answer": pa.array([2], pa.int64()),
    },
    "truthfulqa_mc": {
        "question": ["Does lightning strike twice?"],
        "mc1_targets": pa.array([{"choices": ["Yes", "No"], "labels": [1, 0]}], TARGETS),
        "mc2_targets": pa.array([{"choices": ["Yes", "It can", "Never"], "labels": [1, 1, 0]}], TARGETS),
    },
    "wikitext": {"text": ["", " = One = \n", "", " Text of one . \n"]},
    "ifeval": {
        "key": pa.array([1], pa.int64()),
        "prompt": ["Write three words without commas."],
        "instruction_id_list": pa.array([["punctuation:no_comma", "length_constraints:number_words"]], pa.list_(pa.string())),
        "kwargs": pa.array(
            [[{"num_words": None, "relation": None}, {"num_words": 3, "relation": "at least"}]],
            pa.list_(pa.struct([("num_words", pa.int64()), ("relation", pa.string())])),
        ),
    },
}

for name, columns in TABLES.items():
    pq.write_table(pa.table(columns), f"{name}.parquet", compression="snappy")
