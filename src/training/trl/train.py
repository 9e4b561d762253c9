"""Trains what run.json says with TRL, on any number of processes. Written by `erpo export trl`; README.txt has the launch line.

The folder holds the model, the adapter that training starts from, and the rows in the order in which erpo takes them, so losses can be compared step by step.
"""

import json
import sys
from itertools import groupby
from pathlib import Path

import torch
import trl
from accelerate import PartialState
from datasets import load_dataset
from peft import PeftConfig, PeftModel, load_peft_weights, set_peft_model_state_dict
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
run = json.loads((HERE / "run.json").read_text())
on_cpu = not torch.cuda.is_available()
processes = PartialState(cpu=on_cpu)


class TokenSFT(trl.SFTTrainer):
    """On rows of token ids: the mean of the tokens' cross-entropies by their weights, over a whole step."""

    loss_is_scaled_for_ga = True

    def _get_num_items_in_batch(self, batch_samples, device):
        return self.accelerator.reduce(sum(batch["weights"].sum() for batch in batch_samples).to(device))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        weights = inputs.pop("weights")[:, 1:]
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        loss = -(outputs.log_probs * weights).sum() / num_items_in_batch * processes.num_processes  # gradients of processes are averaged
        return (loss, outputs) if return_outputs else loss


class TokenDPO(trl.DPOTrainer):
    """On pairs of token ids, each with its share of its step; where they have log-probs under the reference, on those.

    A token's weight counts in the preference loss; the NLL term is of all of the chosen completion.
    """

    loss_is_scaled_for_ga = True

    def _prepare_dataset(self, dataset, *_):
        return dataset

    def _precompute_ref_logps(self, dataset, *words):
        return dataset if "ref_chosen_logps" in dataset.column_names else super()._precompute_ref_logps(dataset, *words)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        share = inputs.pop("share").sum() * processes.num_processes  # gradients of processes are averaged
        weights = inputs.pop("weights")[:, 1:]
        tokens = inputs["completion_mask"][:, 1:].sum(1)
        nll = []

        def weighted(**words):
            outputs = model(**words)
            nll.append((-outputs.log_probs.sum(1) / tokens).chunk(2)[0].mean())
            outputs.log_probs = outputs.log_probs * weights
            return outputs

        return share * (super().compute_loss(weighted, inputs) + run["nll_weight"] * nll[0])


def as_row(row, share):
    weights = row.get("weights") or [1.0] * len(row["completion_ids"])
    outside = len(row["prompt_ids"])
    return dict(
        input_ids=row["prompt_ids"] + row["completion_ids"], labels=[-100] * outside + row["completion_ids"],
        weights=[0.0] * outside + [weight if share else 0.0 for weight in weights],
    )


def as_pair(row, share):
    outside = [0.0] * len(row["prompt_ids"])
    sides = {f"{side}_weights": outside + (row.get(f"{side}_weights") or [1.0] * len(row[f"{side}_ids"])) for side in ("chosen", "rejected")}
    return {"share": [share], **sides}


def planned(data, width):
    """The rows of each step, filled up to `width` with rows that count for nothing."""
    order, shares = [], []
    for _, step in groupby(range(len(data)), key=list(data["step"]).__getitem__):
        rows = list(step)
        order += rows + rows[:1] * (width - len(rows))
        shares += [1 / len(rows)] * len(rows) + [0.0] * (width - len(rows))
    if run["method"] == "sft":
        return data.select(order).map(lambda row, n: as_row(row, shares[n]), with_indices=True, remove_columns=data.column_names)
    return data.select(order).map(lambda row, n: as_pair(row, shares[n]), with_indices=True, remove_columns=["step"])


def keeping(columns, collate):
    """A collator whose batches have also columns of numbers [B, T], with zeros after the end of each list; of two columns of the data one column [2 B, T]."""

    def stacked(examples, sources):
        return pad_sequence([torch.tensor(example[source], dtype=torch.float32) for source in sources for example in examples], batch_first=True)

    return lambda examples: {**collate(examples), **{name: stacked(examples, sources) for name, sources in columns.items()}}


def pay_for_length(data):
    """alpha (|w| - |l|) inside the sigmoid: beta (log pi - log ref) + alpha |y| is what it is if the completion's length shifts its reference."""
    price, limit = run["length_alpha"] / run["beta"], run["max_length"] or sys.maxsize

    def shift(row):
        room = limit - len(row["prompt_ids"])
        counted = {side: sum((row.get(f"{side}_weights") or [1.0] * len(row[f"{side}_ids"]))[:room]) for side in ("chosen", "rejected")}
        return {f"ref_{side}_logps": row[f"ref_{side}_logps"] - price * counted[side] for side in counted}

    return data.map(shift)


def step_shape(data):
    """Rows of a step, over all processes; rows that a process computes at a time; and how often before a step."""
    count = processes.num_processes
    of_tokens = "step" in data.column_names
    sizes = [len(list(step)) for _, step in groupby(data["step"])] if of_tokens else [run["batch_size"] * run["gradient_accumulation_steps"]]
    rows = -(-max(sizes) // count) * count
    filled = min(sizes) < rows
    if filled and not of_tokens:
        sys.exit(f"run.json: a step has {sizes[0]} rows, which {count} processes cannot share evenly")
    share = rows // count
    # of several pairs at a time TRL's NLL term is a mean over tokens, erpo's over pairs, and fillings among them would count
    single = run["method"] != "sft" and (run["nll_weight"] or filled)
    size = 1 if single else max(n for n in range(1, min(share, run["batch_size"]) + 1) if share % n == 0)
    return rows, size, share // size


def main():
    data = load_dataset("json", data_files=str(HERE / "train.jsonl"), split="train", cache_dir=str(HERE / "cache"))
    of_tokens = "step" in data.column_names
    rows, size, accumulation = step_shape(data)
    options = dict(
        output_dir=str(HERE / "checkpoints"), per_device_train_batch_size=size, gradient_accumulation_steps=accumulation, max_steps=run["max_steps"],
        learning_rate=run["learning_rate"], warmup_steps=run["warmup_ratio"], lr_scheduler_type=run["lr_scheduler_type"],
        lr_scheduler_kwargs=run.get("lr_scheduler_kwargs"), weight_decay=run["weight_decay"], adam_beta1=run["adam_beta1"],
        adam_beta2=run["adam_beta2"], adam_epsilon=run["adam_epsilon"], max_grad_norm=run["max_grad_norm"], max_length=run["max_length"],
        seed=run["seed"], bf16=run["precision"] == "bf16", train_sampling_strategy="sequential", save_steps=run["save_steps"], save_total_limit=run["save_total_limit"],
        logging_steps=1, report_to="none", use_cpu=on_cpu, gradient_checkpointing=not on_cpu, remove_unused_columns=not of_tokens,
    )
    tokenizer = AutoTokenizer.from_pretrained(HERE / "model")
    model = AutoModelForCausalLM.from_pretrained(HERE / "model", dtype=torch.float32)
    common = dict(train_dataset=planned(data, rows) if of_tokens else data, processing_class=tokenizer)
    if run["method"] == "sft":
        trainer = (TokenSFT if of_tokens else trl.SFTTrainer)(with_adapter(model), args=trl.SFTConfig(**options), **common)
    else:
        losses = run["loss_type"] if isinstance(run["loss_type"], list) else [run["loss_type"]]
        weights = run.get("loss_weights") or [1.0] * len(losses)
        if run["nll_weight"] and not of_tokens:
            losses, weights = losses + ["sft"], weights + [run["nll_weight"]]
        config = trl.DPOConfig(
            beta=run["beta"], loss_type=losses, loss_weights=weights, label_smoothing=run["label_smoothing"], ld_alpha=run["ld_alpha"],
            precompute_ref_log_probs=True, **options,
        )
        DPO = TokenDPO if of_tokens else trl.DPOTrainer
        if run["reference"] == "base":  # what TRL is given to adapt is its reference
            trainer = DPO(model, args=config, peft_config=PeftConfig.from_pretrained(HERE / "init_adapter"), **common)
            set_peft_model_state_dict(trainer.model, load_peft_weights(str(HERE / "init_adapter"), device="cpu"))
        else:
            trainer = DPO(with_adapter(model), args=config, **common)
        if run["method"] == "length-controlled-dpo":
            trainer.train_dataset = pay_for_length(trainer.train_dataset)
    if of_tokens:
        own = {"weights": ["weights"]} if run["method"] == "sft" else {"share": ["share"], "weights": ["chosen_weights", "rejected_weights"]}
        trainer.data_collator = keeping(own, trainer.data_collator)
    resume = any((HERE / "checkpoints").glob("checkpoint-*"))
    trainer.train(resume_from_checkpoint=resume)
    trainer.save_model(str(HERE / "adapter"))
    if processes.is_main_process:
        (HERE / "log.json").write_text(json.dumps(trainer.state.log_history, indent=1) + "\n")
    processes.wait_for_everyone()
    processes.destroy_process_group()  # a process that ends with its group open may abort, and torchrun then ends the others


def with_adapter(model):
    return PeftModel.from_pretrained(model, HERE / "init_adapter", is_trainable=True)


if __name__ == "__main__":
    main()
