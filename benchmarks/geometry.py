"""Writes a model with the shape of Llama-3.1-8B and random weights into a folder, for measurements of speed and memory.

python benchmarks/geometry.py TOKENIZER FOLDER                 the whole model, 16 GB
python benchmarks/geometry.py TOKENIZER FOLDER --layers 2 --width 256     a small one with the same tokenizer

TOKENIZER is a folder with the tokenizer of Llama 3.
"""

from __future__ import annotations

import argparse

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


def config(tokenizer: PreTrainedTokenizerFast, *, layers: int = 32, width: int = 4096) -> LlamaConfig:
    """Returns the configuration of Llama-3.1-8B, or of a model with fewer layers or a narrower residual stream."""
    return LlamaConfig(
        vocab_size=128_256,
        hidden_size=width,
        intermediate_size=width * 7 // 2,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=width // 32,
        max_position_embeddings=131_072,
        rms_norm_eps=1e-5,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer")
    parser.add_argument("folder")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    torch.manual_seed(options.seed)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(options.device):
        model = LlamaForCausalLM(config(tokenizer, layers=options.layers, width=options.width))
    model.save_pretrained(options.folder)
    tokenizer.save_pretrained(options.folder)


if __name__ == "__main__":
    main()
