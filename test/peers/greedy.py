"""Greedy continuations by transformers.generate, one prompt at a time: greedy.py MODEL PROMPTS.json NEW [ADAPTER] -> a JSON list of lists of token ids."""

import json
import sys

import torch
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
if len(sys.argv) > 4:
    from peft import PeftModel

    model = PeftModel.from_pretrained(model, sys.argv[4])
written = []
for prompt in json.loads(sys.argv[2]):
    ids = torch.tensor([prompt])
    options = dict(max_new_tokens=int(sys.argv[3]), do_sample=False, pad_token_id=0)
    with torch.no_grad():
        written.append(model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)[0, len(prompt) :].tolist())
print(json.dumps(written))
