"""PEGASUS: an encoder-decoder that writes the sentences a text is told by.

  python experiments/pegasus.py --config=:tiny --workdir=runs/pegasus

Paper: Zhang et al. 2020, arXiv:1912.08777. Base is the published size: 12 +
12 layers, width 768, 96 thousand pieces, 500 thousand updates of 256 texts of
512 tokens, and its best gap ratio of 0.3. The rate falls with the square root
of the updates; it is 0.1 / sqrt(n) here, behind 10,000 updates of warm-up.

Time: tiny 28 s on two busy cores with all its compilations.
Result: tiny 4.28 nats a token, at the unigram loss of 4.27: 50 updates are too
few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import gap_sentences


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', gap_sentences.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=24, width=768, num_heads=12, mlp_dim=3072, activation='relu',
          norm_position='pre', positions='sinusoidal', max_length=512,
          norm_epsilon=1e-5, scale_embeddings=True, dropout=0.1,
          attention_dropout=0.1),
      tokenizer=config.Tokenizer(vocab_size=96_000),
      # A text of 511 tokens and its end.
      data=config.Data(raw_length=511, batch_size=256, packing='document'),
      optimizer=config.Optimizer(
          name='adafactor', learning_rate=1e-3, schedule='inverse_sqrt',
          warmup_steps=10_000, weight_decay=0.0, clip_norm=0.0),
      num_steps=500_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
