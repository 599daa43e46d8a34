"""GloVe: a table of vectors whose products are the logarithms of how often two
words stand near each other.

  python experiments/glove.py --config=:tiny --workdir=runs/glove

Paper: Pennington et al. 2014, https://aclanthology.org/D14-1162. Base has the
published width 300, 10 words on either side, x_max 100, power 3/4 and AdaGrad
at .05, without the decay of a schedule; the paper's 100 iterations over the
cells are passes over the text here, so `num_steps` depends on the corpus. A
word's vector is the sum of its pieces'.

Time: tiny 0.5 s of training, a minute of processor time with its compilations
and the counts, which are made once, by the host.
Result: tiny 5.63 in squares weighed by f, above the 4.67 of one who answers the
same every time: 50 updates are too few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import glove


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', glove.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(depth=1, width=300, num_heads=1, positions='none',
                         max_length=512, init_scale=0.05),
      tokenizer=config.Tokenizer(vocab_size=32_000),
      data=config.Data(raw_length=256, batch_size=64),
      optimizer=config.Optimizer(
          'adagrad', learning_rate=0.05, schedule='constant', warmup_steps=0,
          weight_decay=0.0),
      num_steps=100_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
