"""The published models at a benchmark's size, on random text.

Every benchmark that needs a model of a chosen size takes it from here, so
that all of them speak of the same one.
"""

import dataclasses

import numpy as np

from ptm_jax import command_line, config
from ptm_jax.objectives import masked

NAMES = 'gpt', 'bert', 't5', 'electra'
# GPT's architecture is GPT-2's, which is the one that others implement well.
_MODEL = {'gpt': {'norm_position': 'pre'}}


def experiment(name, length=128, batch_size=32, vocab_size=8192, depth=4,
               width=256, objective=None, **model):
  """An experiment of `experiments/` at another size, under AdamW.

  Args:
    name: one of `NAMES`.
    length: tokens that the model reads, special ones included; with two
      stacks, those of the encoder.
    batch_size: examples in a step.
    vocab_size: ids in all.
    depth: layers; an encoder-decoder has as many in each stack.
    width: of the residual stream, in heads of 64.
    objective: another than the experiment's own; of BERT, masked LM alone.
    **model: further fields of `config.Model`.
  """
  made = command_line.load_config(f'experiments/{name}.py:base')
  made.model = dataclasses.replace(made.model, **{
      'depth': 2 * depth if name == 't5' else depth, 'width': width,
      'num_heads': max(1, width // 64), 'mlp_dim': 4 * width,
      'max_length': length, 'num_token_types': 2 * (name in (
          'bert', 'electra')), **_MODEL.get(name, {}), **model})
  if made.model.embedding_width:
    made.model.embedding_width = width // 2
  if objective is not None or name == 'bert':
    made.objective = objective or masked.Objective()
  made.tokenizer = config.Tokenizer(vocab_size=vocab_size)
  made.data = config.Data(raw_length=_raw_length(made, length),
                          batch_size=batch_size)
  made.optimizer = config.Optimizer(
      learning_rate=1e-4, schedule='constant', warmup_steps=0)
  made.num_steps = 1000
  return made


def _raw_length(made, length):
  """Text tokens that fill `length` positions of the first stack."""
  from ptm_jax.data.vocabulary import Vocabulary
  vocabulary = Vocabulary(made.tokenizer.vocab_size)
  model = dataclasses.replace(made.model, max_length=2 * length)
  for raw_length in range(length + length // 4, 3, -1):
    bound = made.objective.bind(model, vocabulary, raw_length)
    if max(bound.lengths().values()) <= length:
      return raw_length
  raise ValueError(f'no text fits {length} positions')


def program(made):
  """The training loop's own program and what it takes.

  Returns:
    the bound objective, `compile.Program`, and a new state.
  """
  import jax
  from ptm_jax import setup_jax
  from ptm_jax.compile import compile_program
  from ptm_jax.step import make_hparams
  setup_jax.configure()
  objective = bind(made)
  compiled = compile_program(made, objective)
  state = compiled.init([jax.random.key(0)],
                        [make_hparams(objective, made.optimizer)])
  return objective, compiled, state


def bind(made):
  """The experiment's bound objective."""
  from ptm_jax.data.vocabulary import Vocabulary
  return made.objective.bind(
      made.model, Vocabulary(made.tokenizer.vocab_size), made.data.raw_length)


def windows(objective, batch_size, seed=0):
  """A batch of full windows of random text, one document each."""
  rng = np.random.default_rng(seed)
  shape = batch_size, objective.raw_length
  vocabulary = objective.vocabulary

  def text():
    return {
        'tokens': rng.integers(vocabulary.text_start, vocabulary.text_end,
                               shape).astype(np.int32),
        'segment_ids': np.ones(shape, np.int32),
        'flags': np.full(shape, 3, np.uint8),
        **{field: np.zeros(shape, np.uint8)
           for field in objective.raw_fields()}}

  partner = text() if objective.partner else {}
  return {
      **text(),
      **{f'partner_{name}': value for name, value in partner.items()},
      'positions': np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape),
      'index': np.arange(batch_size, dtype=np.int32),
      'epoch': np.full(batch_size, seed, np.int32)}
