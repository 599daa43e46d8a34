"""MASS: an encoder-decoder that writes a hidden half of the text.

  python experiments/mass.py --config=:tiny --workdir=runs/mass

Paper: Song et al. 2019, arXiv:1905.02450. Base is the configuration of the
released code for unsupervised translation: 6 + 6 layers, width 1024, 8 heads,
3000 tokens a batch; here as 12 windows of 256, in one language and so without
language embeddings. Updates are not published; 500 thousand stand here.

Time: tiny 50 s on two busy cores with the corpus's preparation and all its
compilations.
Result: tiny 4.58 nats a token, above the unigram loss of 4.50: 50 updates are
too few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import fragment


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', fragment.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=1024, num_heads=8, mlp_dim=4096, activation='gelu',
          norm_position='post', embedding_norm=True, positions='learned',
          max_length=512, dropout=0.1, attention_dropout=0.1),
      tokenizer=config.Tokenizer(kind='bpe', vocab_size=60_000),
      data=config.Data(raw_length=256, batch_size=12),
      optimizer=config.Optimizer(
          learning_rate=1e-4, schedule='inverse_sqrt', warmup_steps=4000,
          b2=0.98, weight_decay=0.0, clip_norm=5.0),
      num_steps=500_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
