"""Trains what run.json says with TRL, on any number of processes. Written by `erpo export trl`; README.txt has the launch line.

The folder holds the model, the adapter that training starts from, and the rows in the order in which erpo takes them, so losses can be compared step by step.
"""

import json
import sys
from pathlib import Path

import torch
import trl
from accelerate import PartialState
from datasets import load_dataset
from peft import PeftConfig, PeftModel, load_peft_weights, set_peft_model_state_dict
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
run = json.loads((HERE / "run.json").read_text())
on_cpu = not torch.cuda.is_available()
processes = PartialState(cpu=on_cpu)


def pay_for_length(data):
    """alpha (|w| - |l|) inside the sigmoid: beta (log pi - log ref) + alpha |y| is what it is if the completion's length shifts its reference."""
    price, limit = run["length_alpha"] / run["beta"], run["max_length"] or float("inf")

    def shift(row):
        room = limit - len(row["prompt_ids"])
        return {f"ref_{side}_logps": row[f"ref_{side}_logps"] - price * min(room, len(row[f"{side}_ids"])) for side in ("chosen", "rejected")}

    return data.map(shift)


def batch_shape():
    """Rows a process computes at a time, and how often before a step: together with the number of processes the rows of a step are those of run.json."""
    rows, count = run["batch_size"] * run["gradient_accumulation_steps"], processes.num_processes
    if rows % count:
        sys.exit(f"run.json: a step has {rows} rows, which {count} processes cannot share evenly")
    share = rows // count
    # TRL's NLL term is a mean over the tokens of a micro-batch, erpo's a mean over pairs: for one pair they are the same
    size = 1 if run["nll_weight"] else max(n for n in range(1, min(share, run["batch_size"]) + 1) if share % n == 0)
    return size, share // size


def main():
    size, accumulation = batch_shape()
    options = dict(
        output_dir=str(HERE / "checkpoints"), per_device_train_batch_size=size, gradient_accumulation_steps=accumulation, max_steps=run["max_steps"],
        learning_rate=run["learning_rate"], warmup_steps=run["warmup_ratio"], lr_scheduler_type=run["lr_scheduler_type"],
        lr_scheduler_kwargs=run.get("lr_scheduler_kwargs"), weight_decay=run["weight_decay"], adam_beta1=run["adam_beta1"],
        adam_beta2=run["adam_beta2"], adam_epsilon=run["adam_epsilon"], max_grad_norm=run["max_grad_norm"], max_length=run["max_length"],
        seed=run["seed"], bf16=run["precision"] == "bf16", train_sampling_strategy="sequential", save_steps=run["save_steps"], save_total_limit=run["save_total_limit"],
        logging_steps=1, report_to="none", use_cpu=on_cpu, gradient_checkpointing=not on_cpu,
    )
    data = load_dataset("json", data_files=str(HERE / "train.jsonl"), split="train", cache_dir=str(HERE / "cache"))
    tokenizer = AutoTokenizer.from_pretrained(HERE / "model")
    model = AutoModelForCausalLM.from_pretrained(HERE / "model", dtype=torch.float32)
    common = dict(train_dataset=data, processing_class=tokenizer)
    if run["method"] == "sft":
        trainer = trl.SFTTrainer(with_adapter(model), args=trl.SFTConfig(**options), **common)
    else:
        losses = run["loss_type"] if isinstance(run["loss_type"], list) else [run["loss_type"]]
        weights = run.get("loss_weights") or [1.0] * len(losses)
        if run["nll_weight"]:
            losses, weights = losses + ["sft"], weights + [run["nll_weight"]]
        config = trl.DPOConfig(
            beta=run["beta"], loss_type=losses, loss_weights=weights, label_smoothing=run["label_smoothing"], ld_alpha=run["ld_alpha"],
            precompute_ref_log_probs=True, **options,
        )
        if run["reference"] == "start":
            trainer = trl.DPOTrainer(with_adapter(model), args=config, **common)
        else:  # what TRL is given to adapt is its reference
            trainer = trl.DPOTrainer(model, args=config, peft_config=PeftConfig.from_pretrained(HERE / "init_adapter"), **common)
            set_peft_model_state_dict(trainer.model, load_peft_weights(str(HERE / "init_adapter"), device="cpu"))
        if run["method"] == "length-controlled-dpo":
            trainer.train_dataset = pay_for_length(trainer.train_dataset)
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
