"""Trains the models of the embedded laboratory on the corpus of the micro-world.

    cargo run --release -p datasets --example world -- CORPUS --tokens 60000000
    python datasets/lab/train.py tokenizer --corpus CORPUS --out WORK
    python datasets/lab/train.py train --size s --corpus CORPUS --out WORK --tokens 40000000
    python datasets/lab/train.py focus --corpus CORPUS --to SECOND
    python datasets/lab/train.py grow --size m --origin s --out WORK
    python datasets/lab/train.py export --size s --out WORK --to MODEL

Needs numpy, torch, tokenizers and safetensors; runs on a CPU as on an accelerator. Training writes a checkpoint every few
minutes and goes on from it when it is started again with the same arguments; its log is WORK/<size>/log.txt. Nothing at
run time needs this script.
"""

import argparse
import hashlib
import json
import math
import os
import time

import numpy
import torch
import torch.nn.functional as F
from torch import nn

# hidden size, layers, heads, key-value heads, size of the gated layer, peak learning rate of embeddings and norms;
# matrices learn at twice that rate
SIZES = {
    "s": dict(hidden=128, layers=4, heads=4, kv_heads=2, inner=384, rate=4e-3),
    "m": dict(hidden=256, layers=4, heads=8, kv_heads=2, inner=640, rate=3e-3),
    "l": dict(hidden=384, layers=6, heads=12, kv_heads=4, inner=1024, rate=2e-3),
}
VOCABULARY = 2048
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CONTEXT = 256
MAX_POSITIONS = 1024
ROPE_THETA = 10000.0
EPSILON = 1e-5
# What a token of a user's message counts in the loss, where one of a text or an answer counts 1: questions are mostly
# names drawn at random, but reading them must be learned too.
PROMPT_WEIGHT = 0.25
# A reply counts as so many tokens at least: labels and answers of one word are one token in fifty, and labels were hardly
# learned in 14 million tokens when that one counted like any other.
REPLY_WEIGHT = 16.0
# A text begins with <|endoftext|>, as every document of the corpus does.
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def documents(corpus):
    """Every document as a model sees it."""
    with open(os.path.join(corpus, "corpus.jsonl"), encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if "text" in row:
                yield row["text"]
            else:
                yield (
                    f"<|im_start|>user\n{row['user']}<|im_end|>\n"
                    f"<|im_start|>assistant\n{row['assistant']}<|im_end|>\n"
                )


# What is learned last: to compare two sentences, and to find out who of two did it.
HARD = ("Does this imply that", "True, False or Neither?", "by considering the given context", " met ")


def focus(arguments):
    """Writes a corpus of all documents that hold what is learned last, and every fifth of the others."""
    os.makedirs(arguments.to, exist_ok=True)
    kept = others = 0
    with open(os.path.join(arguments.corpus, "corpus.jsonl"), encoding="utf-8") as source:
        with open(os.path.join(arguments.to, "corpus.jsonl"), "w", encoding="utf-8") as target:
            for line in source:
                is_hard = any(text in line for text in HARD)
                others += not is_hard
                if is_hard or others % 5 == 0:
                    kept += 1
                    target.write(line)
    print(f"{kept} documents")


def make_tokenizer(corpus, out):
    """A byte-level BPE over words with their space; every digit is a token of its own."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    words = Regex(r"\p{N}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(text, special=True, normalized=False) for text in SPECIAL]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    first = (text for _, text in zip(range(200_000), documents(corpus)))
    tokenizer.train_from_iterator(first, trainer)
    os.makedirs(out, exist_ok=True)
    tokenizer.save(os.path.join(out, "tokenizer.json"))
    for text in [" A", "A", " B", " C", " D", "7", " Coldmere", " lantern"]:
        print(repr(text), tokenizer.encode(text).ids)


def token_file(corpus, out):
    """Token ids of the whole corpus, documents separated by <|endoftext|>; made once."""
    path = os.path.join(out, "corpus.u16")
    if not os.path.exists(path):
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(os.path.join(out, "tokenizer.json"))
        end = tokenizer.token_to_id("<|endoftext|>")
        with open(path + ".part", "wb") as file:
            batch = []

            def flush():
                for encoded in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                    numpy.array([end] + encoded.ids, dtype=numpy.uint16).tofile(file)
                batch.clear()

            for text in documents(corpus):
                batch.append(text)
                if len(batch) == 5000:
                    flush()
            flush()
        os.rename(path + ".part", path)
    return numpy.memmap(path, dtype=numpy.uint16, mode="r")


def token_weights(data, out):
    """What each token counts in the loss, for the whole corpus."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(out, "tokenizer.json"))
    end, start = (tokenizer.token_to_id(text) for text in SPECIAL[:2])
    user = tokenizer.encode("user").ids[0]
    ids = numpy.asarray(data)
    # The last event before a token decides: 1 for the beginning of a message of the user, 2 for any other beginning.
    event = numpy.where(ids == end, 2, 0).astype(numpy.int8)
    starts = numpy.flatnonzero(ids[:-1] == start)
    is_user = ids[starts + 1] == user
    event[starts] = numpy.where(is_user, 1, 2)
    last = numpy.maximum.accumulate(numpy.where(event > 0, numpy.arange(len(ids)), 0))
    weights = numpy.where(event[last] == 1, PROMPT_WEIGHT, 1.0).astype(numpy.float32)
    # A reply stands between the line "assistant" and <|im_end|>, which belongs to it.
    begins = starts[~is_user] + 1 + len(tokenizer.encode("assistant\n").ids)
    stops = numpy.flatnonzero(ids == tokenizer.token_to_id(SPECIAL[2]))
    ends = stops[numpy.minimum(numpy.searchsorted(stops, begins), len(stops) - 1)] + 1
    lengths = ends - begins
    short = (lengths > 0) & (lengths < REPLY_WEIGHT)
    for length in numpy.unique(lengths[short]):
        places = begins[short & (lengths == length)]
        for offset in range(length):
            weights[places + offset] = REPLY_WEIGHT / length
    return weights


class Attention(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.heads, self.kv_heads = size["heads"], size["kv_heads"]
        self.width = size["hidden"] // size["heads"]
        self.q_proj = nn.Linear(size["hidden"], self.heads * self.width, bias=False)
        self.k_proj = nn.Linear(size["hidden"], self.kv_heads * self.width, bias=False)
        self.v_proj = nn.Linear(size["hidden"], self.kv_heads * self.width, bias=False)
        self.o_proj = nn.Linear(self.heads * self.width, size["hidden"], bias=False)

    def forward(self, x, cosine, sine):
        batch, length, _ = x.shape

        def split(y, heads):
            return y.view(batch, length, heads, self.width).transpose(1, 2)

        def rotate(y):
            left, right = y.chunk(2, dim=-1)
            return y * cosine + torch.cat((-right, left), dim=-1) * sine

        q = rotate(split(self.q_proj(x), self.heads))
        k = rotate(split(self.k_proj(x), self.kv_heads))
        v = split(self.v_proj(x), self.kv_heads)
        shared = self.heads // self.kv_heads
        k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


class Gated(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.gate_proj = nn.Linear(size["hidden"], size["inner"], bias=False)
        self.up_proj = nn.Linear(size["hidden"], size["inner"], bias=False)
        self.down_proj = nn.Linear(size["inner"], size["hidden"], bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(size["hidden"], eps=EPSILON)
        self.self_attn = Attention(size)
        self.post_attention_layernorm = nn.RMSNorm(size["hidden"], eps=EPSILON)
        self.mlp = Gated(size)

    def forward(self, x, cosine, sine):
        x = x + self.self_attn(self.input_layernorm(x), cosine, sine)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """A decoder in the architecture and with the parameter names of Hugging Face's Llama, embeddings tied."""

    def __init__(self, size):
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCABULARY, size["hidden"])
        self.layers = nn.ModuleList(Layer(size) for _ in range(size["layers"]))
        self.norm = nn.RMSNorm(size["hidden"], eps=EPSILON)
        self.width = size["hidden"] // size["heads"]
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deep = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * size["layers"]) if deep else 0.02)

    def forward(self, ids):
        positions = torch.arange(ids.shape[1], device=ids.device, dtype=torch.float32)
        steps = torch.arange(0, self.width, 2, device=ids.device, dtype=torch.float32) / self.width
        angles = torch.outer(positions, ROPE_THETA**-steps)
        angles = torch.cat((angles, angles), dim=-1)
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, angles.cos(), angles.sin())
        return F.linear(self.norm(x), self.embed_tokens.weight)


def grow(arguments):
    """Makes a first checkpoint of a size from a trained smaller one, which it computes again almost exactly.

    New features of the residual stream, new units and new heads begin small and unread: what reads them and what they
    write are drawn like the weights of a new model, but for what they write into old features, which is zero. New blocks
    write nothing. RMSNorm divides by the root of the mean over more features: its weights shrink by as much. (Net2Net,
    Chen et al. 2016; bert2BERT, Chen et al. 2022.)
    """
    torch.manual_seed(arguments.seed)
    small, large = SIZES[arguments.origin], SIZES[arguments.size]
    path = os.path.join(arguments.out, arguments.origin, "checkpoint.pt")
    old = torch.load(path, map_location="cpu")["model"]
    model = Llama(large)
    new = model.state_dict()
    d, width = small["hidden"], small["hidden"] // small["heads"]
    scale = math.sqrt(d / large["hidden"])
    # Key-value heads are copied as often as fits; every old head goes to a copy of its own key-value head with room left.
    copies = large["kv_heads"] // small["kv_heads"]
    room = large["heads"] // large["kv_heads"]
    shared = small["heads"] // small["kv_heads"]
    place = [
        (head // shared * copies + head % shared // room) * room + head % shared % room for head in range(small["heads"])
    ]

    def rows(heads):
        return torch.cat([torch.arange(head * width, (head + 1) * width) for head in heads])

    key_value = rows([head // copies for head in range(large["kv_heads"])])
    inner = small["inner"]
    for name, value in new.items():
        source = old.get(name)
        last = name.rsplit(".", 2)[-2]
        if source is None:
            if last in ("o_proj", "down_proj"):
                value.zero_()
        elif last == "embed_tokens":
            value[:, :d] = source
        elif value.dim() == 1:
            value.fill_(scale)
            value[:d] = source * scale
        elif last == "q_proj":
            value[rows(place), :d] = source
        elif last in ("k_proj", "v_proj"):
            value[:, :d] = source[key_value]
        elif last == "o_proj":
            value[:d] = 0
            value[:d, rows(place)] = source
        elif last in ("gate_proj", "up_proj"):
            value[:inner, :d] = source
        elif last == "down_proj":
            value[:d] = 0
            value[:d, :inner] = source
    work = os.path.join(arguments.out, arguments.size)
    os.makedirs(work, exist_ok=True)
    torch.save(dict(model=new, step=0), os.path.join(work, "checkpoint.pt"))


def train(arguments):
    """Trains one size, or goes on where the last checkpoint stands."""
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = SIZES[arguments.size]
    work = os.path.join(arguments.out, arguments.size)
    os.makedirs(work, exist_ok=True)
    data = token_file(arguments.corpus, arguments.out)
    weights = token_weights(data, arguments.out)
    rows = (len(data) - 1) // CONTEXT
    order = numpy.random.default_rng(arguments.seed).permutation(rows)

    model = Llama(size).to(device)
    run = torch.compile(model) if arguments.compile else model
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() == 1 or "embed" in n]
    rate = size["rate"] * arguments.rate
    # Muon for the matrices of the blocks: trials of 2.0 million tokens ended at a loss of 0.92, AdamW's at 1.00 (size s).
    optimizers = [
        torch.optim.Muon(matrices, lr=2 * rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    batch = arguments.batch // CONTEXT
    steps = arguments.tokens // (batch * CONTEXT)
    warmup = max(20, steps // 50)

    checkpoint = os.path.join(work, "checkpoint.pt")
    first = 0
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint, map_location=device)
        model.load_state_dict(state["model"])
        for optimizer, old in zip(optimizers, state.get("optimizers", [])):
            optimizer.load_state_dict(old)
        first = state["step"]

    def save(step):
        state = dict(model=model.state_dict(), step=step)
        state["optimizers"] = [optimizer.state_dict() for optimizer in optimizers]
        torch.save(state, checkpoint + ".part")
        os.rename(checkpoint + ".part", checkpoint)

    log = open(os.path.join(work, "log.txt"), "a", encoding="utf-8")

    def say(text):
        print(text, flush=True)
        log.write(text + "\n")
        log.flush()

    parameters = sum(p.numel() for p in model.parameters())
    say(
        f"size {arguments.size}: {parameters} parameters, {len(data)} tokens of corpus, {steps} steps of "
        f"{batch * CONTEXT} tokens, seed {arguments.seed}, torch {torch.__version__}, from step {first}"
    )
    started = saved = time.time()
    worked = time.process_time()
    losses = []
    for step in range(first, steps):
        share = min(1.0, (step + 1) / warmup) * (1 - step / steps)
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group, peak in zip(groups, peaks):
            group["lr"] = peak * share
        chosen = [order[(step * batch + row) % rows] for row in range(batch)]
        def taken(values, kind):
            cut = numpy.stack([values[row * CONTEXT : row * CONTEXT + CONTEXT + 1] for row in chosen])
            return torch.from_numpy(cut.astype(kind)).to(device)

        pieces, weight = taken(data, numpy.int64), taken(weights, numpy.float32)[:, 1:].reshape(-1)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=arguments.bf16):
            logits = run(pieces[:, :-1])
        each = F.cross_entropy(logits.float().reshape(-1, VOCABULARY), pieces[:, 1:].reshape(-1), reduction="none")
        loss = (each * weight).sum() / weight.sum()
        model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
        if (step + 1) % arguments.every == 0 or step + 1 == steps:
            seconds = time.time() - started
            done = (step + 1 - first) * batch * CONTEXT
            speed, per_core = done / seconds, done / (time.process_time() - worked)
            mean = sum(losses) / len(losses)
            losses.clear()
            seen = (step + 1) * batch * CONTEXT
            say(f"step {step + 1} loss {mean:.4f} tokens {seen} tokens/s {speed:.0f} a core {per_core:.0f}")
        if time.time() - saved > 180:
            save(step + 1)
            saved = time.time()
        if arguments.minutes and time.time() - started > 60 * arguments.minutes:
            save(step + 1)
            say(f"stopped after {arguments.minutes} minutes at step {step + 1}")
            return
    save(steps)


def export(arguments):
    """Writes the model as Hugging Face checkpoints are laid out, in bfloat16."""
    from safetensors.torch import save_file

    size = SIZES[arguments.size]
    state = torch.load(os.path.join(arguments.out, arguments.size, "checkpoint.pt"), map_location="cpu")
    os.makedirs(arguments.to, exist_ok=True)
    tensors = {f"model.{name}": value.to(torch.bfloat16).contiguous() for name, value in state["model"].items()}
    path = os.path.join(arguments.to, "model.safetensors")
    save_file(tensors, path, metadata={"format": "pt"})

    def write(name, content):
        with open(os.path.join(arguments.to, name), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")

    config = dict(
        architectures=["LlamaForCausalLM"],
        model_type="llama",
        vocab_size=VOCABULARY,
        hidden_size=size["hidden"],
        intermediate_size=size["inner"],
        num_hidden_layers=size["layers"],
        num_attention_heads=size["heads"],
        num_key_value_heads=size["kv_heads"],
        head_dim=size["hidden"] // size["heads"],
        hidden_act="silu",
        rms_norm_eps=EPSILON,
        rope_theta=ROPE_THETA,
        max_position_embeddings=MAX_POSITIONS,
        attention_bias=False,
        mlp_bias=False,
        tie_word_embeddings=True,
        torch_dtype="bfloat16",
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=0,
    )
    write("config.json", config)
    write("generation_config.json", dict(do_sample=False, bos_token_id=0, eos_token_id=[2, 0], pad_token_id=0))
    write(
        "tokenizer_config.json",
        dict(
            tokenizer_class="PreTrainedTokenizerFast",
            bos_token="<|endoftext|>",
            add_bos_token=True,
            eos_token="<|im_end|>",
            pad_token="<|endoftext|>",
            model_max_length=MAX_POSITIONS,
            chat_template=TEMPLATE,
        ),
    )
    with open(os.path.join(arguments.out, "tokenizer.json"), "rb") as source:
        content = source.read()
    with open(os.path.join(arguments.to, "tokenizer.json"), "wb") as target:
        target.write(content)
    for name in sorted(os.listdir(arguments.to)):
        with open(os.path.join(arguments.to, name), "rb") as file:
            print(hashlib.sha256(file.read()).hexdigest(), name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["tokenizer", "focus", "grow", "train", "export"])
    parser.add_argument("--corpus", help="directory that the example `world` wrote")
    parser.add_argument("--out", required=True, help="working directory")
    parser.add_argument("--size", choices=list(SIZES), default="s")
    parser.add_argument("--origin", choices=list(SIZES), default="s", help="size that another grows from")
    parser.add_argument("--to", help="directory of the exported model, or of the second corpus")
    parser.add_argument("--tokens", type=int, default=10_000_000, help="tokens to train on")
    parser.add_argument("--rate", type=float, default=1, help="factor of the peak learning rates: less for grown models")
    parser.add_argument("--batch", type=int, default=4096, help="tokens a step")
    parser.add_argument("--minutes", type=float, default=0, help="stop after this time, with a checkpoint")
    parser.add_argument("--every", type=int, default=50, help="steps between lines of the log")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="multiply in bfloat16")
    parser.add_argument("--compile", action="store_true", help="let torch compile the model; needs a C++ compiler")
    arguments = parser.parse_args()
    if arguments.what == "tokenizer":
        make_tokenizer(arguments.corpus, arguments.out)
    elif arguments.what == "focus":
        focus(arguments)
    elif arguments.what == "grow":
        grow(arguments)
    elif arguments.what == "train":
        train(arguments)
    else:
        export(arguments)


if __name__ == "__main__":
    main()
