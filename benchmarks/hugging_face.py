"""The models of `sizes` as Hugging Face transformers on PyTorch.

  python benchmarks/hugging_face.py bert-gather BATCH.npz [--compile]

A worker of `throughput.py`: AdamW (fused), clipping and dropout as ours, two
threads. The batch comes corrupted, so that of the corruption only our side
pays. `bert` scores every position, as `BertForMaskedLM` does; `bert-gather`
the predicted ones alone. So it is with ELECTRA's generator in `electra` and
`electra-gather`; both sample at the predicted positions alone.
"""

import functools
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


def _t5(batch, vocab_size, length):
  del length
  model = transformers.T5ForConditionalGeneration(transformers.T5Config(
      vocab_size=vocab_size, d_model=256, d_kv=64, d_ff=1024, num_layers=4,
      num_decoder_layers=4, num_heads=4, decoder_start_token_id=0))
  return model, lambda: model(
      input_ids=batch['encoder_inputs'], labels=batch['targets'],
      decoder_input_ids=batch['decoder_inputs'], use_cache=False).loss


class _Electra(torch.nn.Module):
  """Generator and discriminator; the tables of the embeddings are shared."""

  def __init__(self, batch, vocab_size, length, gather):
    super().__init__()
    common = {'vocab_size': vocab_size, 'embedding_size': 128,
              'num_hidden_layers': 4, 'max_position_embeddings': length}
    self.generator = transformers.ElectraForMaskedLM(
        transformers.ElectraConfig(hidden_size=64, num_attention_heads=1,
                                   intermediate_size=256, **common))
    self.discriminator = transformers.ElectraForPreTraining(
        transformers.ElectraConfig(hidden_size=256, num_attention_heads=4,
                                   intermediate_size=1024, **common))
    ours, theirs = (network.electra.embeddings for network in (
        self.generator, self.discriminator))
    for table in 'word', 'position', 'token_type':
      name = f'{table}_embeddings'
      setattr(ours, name, getattr(theirs, name))
    self.generator.tie_weights()
    self.batch, self.gather = batch, gather

  def forward(self):
    batch, generator = self.batch, self.generator
    if self.gather:
      hidden = generator.electra(input_ids=batch['inputs']).last_hidden_state
      logits = generator.generator_lm_head(generator.generator_predictions(
          _at(hidden, batch['predicted'])))
    else:
      logits = _at(generator(input_ids=batch['inputs']).logits,
                   batch['predicted'])
    masked = functional.cross_entropy(
        logits.flatten(0, 1), batch['targets'].flatten())
    with torch.no_grad():
      fakes = torch.multinomial(
          logits.flatten(0, 1).softmax(-1), 1).view_as(batch['predicted'])
      shown = batch['tokens'].scatter(1, batch['predicted'], fakes)
    detected = self.discriminator(
        input_ids=shown, labels=(shown != batch['tokens']).long()).loss
    return masked + 50 * detected


def _electra(*args, gather=False):
  model = _Electra(*args, gather)
  return model, model


MODELS = {
    'gpt': _gpt, 'bert': _bert, 'bert-gather': _bert_gather, 't5': _t5,
    'electra': _electra,
    'electra-gather': functools.partial(_electra, gather=True)}


def main(name, path, compiled):
  torch.set_num_threads(2)
  torch.manual_seed(0)
  saved = np.load(path)
  batch = {field: torch.from_numpy(value.astype(np.int64))
           for field, value in saved.items()}
  vocab_size = int(batch.pop('vocab_size'))
  length = max(value.shape[1] for value in batch.values())
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
