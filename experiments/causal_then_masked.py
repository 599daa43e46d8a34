"""Causal language modelling for a share of the run, then masked LM.

  python experiments/causal_then_masked.py --config=:tiny --workdir=runs/ctm

Paper: Gisserot-Boukhlef et al. 2025, arXiv:2507.00994, which compares shares
of the two. Half of the updates are causal here; the objective's `shares` say
so. Base is BERT's shape with rotary positions; the optimizer's numbers are
ours.

Time: tiny 43 s on two busy cores with all its compilations.
Result: tiny 4.68 nats a masked prediction, above the unigram loss of 4.51, and
4.51 a causal one, just below 4.53: 50 updates are too few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import autoregressive, masked, schedule


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', schedule.Objective(
          members={'causal': autoregressive.Objective(),
                   'masked': masked.Objective(
                       rate=0.4, mask_share=1.0, random_share=0.0)},
          shares={'causal': 0.5, 'masked': 0.5})),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=768, num_heads=12, norm_position='pre',
          positions='rotary', max_length=512, dropout=0.1,
          attention_dropout=0.1),
      tokenizer=config.Tokenizer(kind='bpe', vocab_size=32_000),
      data=config.Data(raw_length=510, batch_size=256),
      optimizer=config.Optimizer(
          learning_rate=5e-4, weight_decay=0.1, schedule='wsd',
          warmup_steps=2000, b2=0.95),
      num_steps=40_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
