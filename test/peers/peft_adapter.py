"""An adapter that PEFT makes, on all linear layers, with random numbers in both matrices: peft_adapter.py MODEL OUTPUT."""

import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

torch.manual_seed(1)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
adapted = get_peft_model(model, config)
for name, weights in adapted.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(weights, std=0.002)
adapted.save_pretrained(sys.argv[2])
