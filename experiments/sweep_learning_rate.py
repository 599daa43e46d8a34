"""Which peak learning rate suits masked language modelling at this size?

Six rates, two seeds each: twelve trials that differ in traced numbers only and
so run in one compiled program.

  python experiments/sweep_learning_rate.py --workdir=runs/sweep_learning_rate

The grid is powers of two around the rate of bert.py's presets.

Time: 3 minutes on two busy cores.
Result: 0.008 with 4.96 +- 0.11 nats a prediction, 0.016 with 4.99 +- 0.17;
0.001 reaches 5.42 and 0.032 5.50 +- 0.89.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import masked


def get_config(arg=None):
  """'quick' or 'tiny', and kinds such as 'objective=autoregressive'."""
  size, kinds = presets.parse(arg, sizes=('quick', 'tiny'))
  experiment = config.Experiment(
      objective=kinds.get('objective', masked.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(depth=2, width=48, num_heads=2, positions='rotary',
                         init_scale=0.144),
      tokenizer=config.Tokenizer(kind='bpe', vocab_size=1024),
      data=config.Data(raw_length=64, batch_size=16),
      optimizer=config.Optimizer(warmup_steps=60, b2=0.98),
      num_steps=600,
      checkpoints=config.Checkpoints(every_steps=200),
      evaluation=config.Evaluation(every_steps=200, num_batches=32))
  return presets.shrink(experiment, 'tiny') if size == 'tiny' else experiment


def get_hyper(hyper):
  """Six rates x two seeds."""
  return hyper.product([
      hyper.sweep('optimizer.learning_rate',
                  [0.001, 0.002, 0.004, 0.008, 0.016, 0.032]),
      hyper.sweep('seed', range(2))])


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
