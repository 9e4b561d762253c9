"""Steps of TRL's trainers, as train.mjs takes them: python train_peer.py MODEL METHOD PRECISION ROWS PROMPT COMPLETION. Prints JSON."""

import json
import random
import resource
import sys
import tempfile
import time

import torch
import trl
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

STEPS = 5
path, method, precision = sys.argv[1:4]
rows, prompt, completion = map(int, sys.argv[4:])
random.seed(1)
ids = lambda n: [random.randrange(20, 40_000) for _ in range(n)]


class Clock(TrainerCallback):
    def __init__(self):
        self.seconds = []

    def on_step_begin(self, *_, **__):
        self.began = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.seconds.append(time.perf_counter() - self.began)


class TokenizedDPO(trl.DPOTrainer):
    def _prepare_dataset(self, dataset, *_):
        return dataset


clock = Clock()
model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
options = dict(
    output_dir=tempfile.mkdtemp(), per_device_train_batch_size=rows, max_steps=STEPS, learning_rate=1e-4, lr_scheduler_type="constant", max_length=None,
    bf16=precision == "bf16", use_cpu=True, gradient_checkpointing=False, report_to="none", save_strategy="no", logging_steps=1, disable_tqdm=True,
    train_sampling_strategy="sequential",
)
common = dict(peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"), callbacks=[clock])
tokenizer = AutoTokenizer.from_pretrained(path)
count = STEPS * rows
if method == "sft":
    data = [{"input_ids": ids(prompt + completion), "completion_mask": [0] * prompt + [1] * completion} for _ in range(count)]
    trainer = trl.SFTTrainer(model, args=trl.SFTConfig(**options), train_dataset=Dataset.from_list(data), processing_class=tokenizer, **common)
else:
    data = [{"prompt_ids": ids(prompt), "chosen_ids": ids(completion), "rejected_ids": ids(completion)} for _ in range(count)]
    config = trl.DPOConfig(precompute_ref_log_probs=True, **options)
    trainer = TokenizedDPO(model, args=config, train_dataset=Dataset.from_list(data), processing_class=tokenizer, **common)
trainer.train()
print(json.dumps({"seconds": clock.seconds[1:], "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2}))
