"""How many tokens should masked language modelling hide?

Five rates, three seeds each. The loss at one rate is not the loss at another,
so trials are ranked by what the trunk is worth: the linear probe of
docstring_library. The rate is a traced number: all fifteen trials run in one
compiled program, whose shapes are those of the largest rate.

  python experiments/sweep_mask_rate.py --workdir=runs/sweep_mask_rate

Paper: Wettig et al. 2022, arXiv:2202.08005, who find that 40 % can be better
than 15 %, for large models above all.

Time: 12 minutes on two busy cores, a third of it training.
Result: a probe of .382 at rates 0.3, 0.4 and 0.6, .369 +- .040 at 0.15 and .371
+- .023 at 0.08: the paper's order, within overlapping intervals.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import masked


def get_config(arg=None):
  """'quick' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg, sizes=('quick', 'tiny'), kinds=('corpus',))
  experiment = config.Experiment(
      objective=masked.Objective(),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(depth=2, width=48, num_heads=2, positions='rotary',
                         init_scale=0.144),
      tokenizer=config.Tokenizer(kind='bpe', vocab_size=1024),
      data=config.Data(raw_length=64, batch_size=16),
      optimizer=config.Optimizer(
          learning_rate=0.008, warmup_steps=80, b2=0.98),
      num_steps=1000,
      checkpoints=config.Checkpoints(every_steps=500),
      evaluation=config.Evaluation(
          every_steps=500, num_batches=32, tasks=('docstring_library',)))
  return presets.shrink(experiment, 'tiny') if size == 'tiny' else experiment


def get_hyper(hyper):
  """Five rates x three seeds."""
  return hyper.plan(hyper.product([
      hyper.sweep('objective.rate', [0.08, 0.15, 0.3, 0.4, 0.6]),
      hyper.sweep('seed', range(3))]),
      rank_by='docstring_library/probe/accuracy', higher_is_better=True)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
