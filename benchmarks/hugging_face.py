"""The models of `sizes` as Hugging Face transformers on PyTorch.

  python benchmarks/hugging_face.py bert-gather BATCH.npz [--compile]

A worker of `throughput.py`: AdamW (fused), clipping and dropout as ours, two
threads. The batch comes corrupted, so that of the corruption only our side
pays. `bert` scores every position, as `BertForMaskedLM` does; `bert-gather`
the predicted ones alone.
"""

import sys

import numpy as np
import torch
import transformers
from torch.nn import functional

import turns


def _gpt(batch, vocab_size, length):
  model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
      vocab_size=vocab_size, n_positions=length, n_embd=256, n_layer=4,
      n_head=4, bos_token_id=1, eos_token_id=2))
  # The labels are shifted inside: 127 of the 128 targets count.
  return model, lambda: model(
      input_ids=batch['inputs'], labels=batch['inputs'],
      use_cache=False).loss


def _bert_config(vocab_size, length):
  return transformers.BertConfig(
      vocab_size=vocab_size, hidden_size=256, num_hidden_layers=4,
      num_attention_heads=4, intermediate_size=1024,
      max_position_embeddings=length)


def _bert(batch, vocab_size, length):
  model = transformers.BertForMaskedLM(_bert_config(vocab_size, length))
  labels = torch.full_like(batch['inputs'], -100)
  labels.scatter_(1, batch['predicted'], batch['targets'])
  return model, lambda: model(input_ids=batch['inputs'], labels=labels).loss


def _bert_gather(batch, vocab_size, length):
  model = transformers.BertForMaskedLM(_bert_config(vocab_size, length))

  def loss():
    hidden = model.bert(input_ids=batch['inputs']).last_hidden_state
    return functional.cross_entropy(
        model.cls(_at(hidden, batch['predicted'])).flatten(0, 1),
        batch['targets'].flatten())

  return model, loss


def _at(hidden, predicted):
  return hidden.gather(1, predicted[..., None].expand(
      -1, -1, hidden.shape[-1]))


MODELS = {'gpt': _gpt, 'bert': _bert, 'bert-gather': _bert_gather}


def main(name, path, compiled):
  torch.set_num_threads(2)
  torch.manual_seed(0)
  saved = np.load(path)
  batch = {field: torch.from_numpy(value.astype(np.int64))
           for field, value in saved.items()}
  vocab_size = int(batch.pop('vocab_size'))
  length = batch['inputs'].shape[1]
  model, loss = MODELS[name](batch, vocab_size, length)
  model.train()
  parameters = list(model.parameters())
  optimizer = torch.optim.AdamW(parameters, lr=1e-4, betas=(0.9, 0.98),
                                weight_decay=0.01, fused=True)
  if compiled:
    loss = torch.compile(loss)

  def step():
    optimizer.zero_grad(set_to_none=True)
    loss().backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()

  turns.serve(step)


if __name__ == '__main__':
  main(sys.argv[1], sys.argv[2], '--compile' in sys.argv)
