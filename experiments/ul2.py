"""UL2: an encoder-decoder trained on seven denoisers, told apart by a token.

  python experiments/ul2.py --config=:tiny --workdir=runs/ul2

Paper: Tay et al. 2022, arXiv:2205.05131. Base is the size of the paper's
ablations: T5's base with gated activations and a head of its own, 500 thousand
updates of 128 texts, no dropout. The 20-billion-parameter model is the same
with depth 64, width 4096, 16 heads and mlp_dim 16384.

Time: tiny 61 s on two busy cores with all its compilations.
Result: tiny 4.53 nats a token, just below the unigram loss of 4.55.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import mixture_of_denoisers


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', mixture_of_denoisers.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=24, width=768, num_heads=12, mlp_dim=2048,
          activation='swiglu', norm='rms', norm_position='pre', positions='t5',
          max_length=513, use_bias=False, scale_attention=False,
          tied_head=False),
      tokenizer=config.Tokenizer(vocab_size=32128),
      # The raw length of T5, whose spans fill an encoder of 512 and the mode.
      data=config.Data(raw_length=568, batch_size=128),
      optimizer=config.Optimizer(
          name='adafactor', learning_rate=1e-2, schedule='inverse_sqrt',
          warmup_steps=10_000, weight_decay=0.0, clip_norm=0.0),
      num_steps=500_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
