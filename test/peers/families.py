"""Log-probs of rows under models that erpo saved, by transformers: families.py FOLDER ROWS.json -> a JSON list of [B, T - 1] numbers.

With an adapter's folder as a third word, under the model with that adapter, by PEFT.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="eager").eval()
if len(sys.argv) > 3:
    from peft import PeftModel

    model = PeftModel.from_pretrained(model, sys.argv[3])
ids = torch.tensor(json.loads(sys.argv[2]))
with torch.no_grad():
    logps = torch.log_softmax(model(ids).logits[:, :-1].double(), -1).gather(-1, ids[:, 1:, None])[..., 0]
print(json.dumps(logps.tolist()))
