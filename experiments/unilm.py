"""UniLM: one encoder under bidirectional, one-sided and sequence masks.

  python experiments/unilm.py --config=:tiny --workdir=runs/unilm

Paper: Dong et al. 2019, arXiv:1905.03197. Base is the published configuration
of its one size: 24 layers, width 1024, batches of 330 x 512 tokens, 770
thousand updates; the paper starts from BERT large, this from random
parameters.

Time: tiny 35 s on two busy cores with all its compilations.
Result: tiny 4.70 nats a prediction (4.40 by the best constant) and 0.48 a pair
(0.45): 50 updates are too few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import unilm


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective',
                          unilm.Objective(next_sentences=True)),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=24, width=1024, num_heads=16, activation='gelu',
          norm_position='post', embedding_norm=True, positions='learned',
          max_length=512, num_token_types=6, dropout=0.1,
          attention_dropout=0.1),
      tokenizer=config.Tokenizer(vocab_size=28996),
      data=config.Data(raw_length=509, batch_size=330),
      optimizer=config.Optimizer(
          learning_rate=3e-5, schedule='linear', warmup_steps=40_000,
          b2=0.999, eps=1e-6),
      num_steps=770_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
