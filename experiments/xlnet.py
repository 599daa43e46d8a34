"""XLNet: two streams predict hidden tokens in a random order.

  python experiments/xlnet.py --config=:tiny --workdir=runs/xlnet

Paper: Yang et al. 2019, arXiv:1906.08237. Base has 12 layers, width 768 and
relative positions; the batches of 2048 x 512 tokens, the rate and the 500
thousand updates are those of the published large model. A window is two
consecutive segments of 512 tokens, of which the second remembers all of the
first; the released code remembers 384 tokens, and from batch to batch. Without
pairs of segments. It can be published as XLNetLMHeadModel.

Time: tiny 35 s of two busy cores with all its compilations.
Result: tiny 4.41 nats a prediction, above the unigram loss of 4.19: 50 updates
are too few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import permutation


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', permutation.Objective(
          num_segments=2, closing=True)),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=768, num_heads=12, activation='gelu',
          norm_position='post', positions='transformer_xl', max_length=1024,
          relative_types=True, query_embedding=True, qkv_bias=False,
          output_bias=False, pooler_place='last',
          dropout=0.1, attention_dropout=0.1),
      tokenizer=config.Tokenizer(vocab_size=32000),
      data=config.Data(raw_length=1022, batch_size=1024),
      optimizer=config.Optimizer(
          learning_rate=4e-4, schedule='linear', warmup_steps=40_000,
          b2=0.999, eps=1e-6),
      num_steps=500_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
