"""Tokens a second of cached generation, beside Hugging Face transformers.

  python benchmarks/generation.py [--rounds=8] [--threads=2]

A GPT-2 of 4 layers of width 256 and 8192 ids continues 8 prompts of 32 tokens
by 96, greedily, in float32; both keep keys and values. Weights are random, and
no text ends early. Turns alternate; the ratio is of medians. On a machine that
does other work use one thread: those of PyTorch wait for each other after every
product. Needs the extra `peers`.
"""

import os
import sys

import numpy as np

import turns

BATCH, PROMPT, NEW, VOCABULARY = 8, 32, 96, 8192


def prompts():
  """Token ids of the prompts, text alone, int `[8, 32]`."""
  return np.random.default_rng(0).integers(7, VOCABULARY - 100,
                                           (BATCH, PROMPT))


def ours():
  """ptm_jax, as the verb `generate` writes."""
  import types

  import jax
  import jax.numpy as jnp
  from flax.core import meta

  from ptm_jax import config
  from ptm_jax.data.vocabulary import Vocabulary
  from ptm_jax.generation.sampling import Sampling
  from ptm_jax.generation.writing import Writer
  from ptm_jax.objectives import autoregressive
  objective = autoregressive.Objective().bind(
      config.Model(depth=4, width=256, num_heads=4, activation='gelu_tanh',
                   max_length=256), Vocabulary(VOCABULARY), 128)
  params = meta.unbox(jax.jit(objective.init)(jax.random.key(0)))
  writer = Writer(types.SimpleNamespace(objective=objective, params=params),
                  Sampling(temperature=0))
  ids = jnp.asarray(prompts(), jnp.int32)
  stack = {'inputs': ids, 'segment_ids': jnp.ones_like(ids),
           'positions': jnp.broadcast_to(jnp.arange(PROMPT)[None], ids.shape)}
  def step():
    assert len(list(writer.go_on(stack, NEW))) == NEW
  turns.serve(step)


def theirs(threads):
  """transformers on PyTorch, without gradients."""
  import torch
  import transformers
  torch.set_num_threads(threads)
  model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
      vocab_size=VOCABULARY, n_positions=256, n_embd=256, n_layer=4, n_head=4,
      bos_token_id=1, eos_token_id=None, pad_token_id=0)).eval()
  ids = torch.from_numpy(prompts())
  def step():
    with torch.no_grad():
      found = model.generate(
          ids, attention_mask=torch.ones_like(ids), do_sample=False,
          use_cache=True, max_new_tokens=NEW, min_new_tokens=NEW)
    assert found.shape == (BATCH, PROMPT + NEW)
  turns.serve(step)


def main(rounds, threads):
  workers = {name: turns.Worker(__file__, name, f'--threads={threads}')
             for name in ('ours', 'theirs')}
  medians, _ = turns.interleave(workers, rounds)
  for name, worker in workers.items():
    print(f'{name:7} {BATCH * NEW / medians[name]:8,.0f} tokens/s')
    worker.close()
  print(f'ratio   {medians["theirs"] / medians["ours"]:8.2f}')


def _number(name, default):
  return next((int(one.partition('=')[2]) for one in sys.argv
               if one.startswith(f'--{name}=')), default)


if __name__ == '__main__':
  count = _number('threads', 2)
  # XLA has as many threads as there are cores that it may run on.
  os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])
  if 'ours' in sys.argv:
    ours()
  elif 'theirs' in sys.argv:
    theirs(count)
  else:
    main(_number('rounds', 8), count)
