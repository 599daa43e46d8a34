"""MPNet: hidden tokens in a random order, each from all places of the text.

  python experiments/mpnet.py --config=:tiny --workdir=runs/mpnet

Paper: Song et al. 2020, arXiv:2004.09297. Base is the published
configuration: 12 layers, width 768, batches of 8192 x 512 tokens, 500 thousand
updates; without its option of whole words and relative positions.

Time: tiny 31 s on two busy cores with all its compilations.
Result: tiny 4.65 nats a prediction, above the unigram loss of 4.40: 50 updates
are too few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import permuted_masked


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', permuted_masked.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=768, num_heads=12, activation='gelu',
          norm_position='post', embedding_norm=True, positions='learned',
          max_length=512, dropout=0.1, attention_dropout=0.1),
      tokenizer=config.Tokenizer(vocab_size=30527),
      data=config.Data(raw_length=510, batch_size=8192),
      optimizer=config.Optimizer(
          learning_rate=6e-4, schedule='linear', warmup_steps=10_000,
          eps=1e-6),
      num_steps=500_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
