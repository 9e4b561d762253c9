"""Sampling by transformers, as generate.mjs does it: python generate_peer.py MODEL PRECISION BATCH PROMPT NEW. Prints JSON."""

import json
import resource
import sys
import time

import torch
from transformers import AutoModelForCausalLM

path, precision = sys.argv[1:3]
batch, prompt, new = map(int, sys.argv[3:])
torch.manual_seed(1)
model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16 if precision == "bf16" else torch.float32).eval()
ids = torch.randint(20, 40_000, (batch, prompt))
speeds = []
for _ in range(3):
    began = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=new, pad_token_id=0)
    ended = (out[:, prompt:] == model.config.eos_token_id).int().cumsum(1).cumsum(1)  # 1 at a row's end token, more behind it
    speeds.append((ended <= 1).sum().item() / (time.perf_counter() - began))
print(json.dumps({"speeds": speeds[1:], "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2}))
