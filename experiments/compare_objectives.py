"""Four objectives on the same text with the same Transformer and budget.

GPT's, BERT's, T5's and ELECTRA's objective, three seeds each, on the
embedded corpus: the main job of this laboratory in its smallest form.

  make compare
  python experiments/compare_objectives.py --workdir=runs/compare  # the same

Time: under 12 minutes on two cores, set-up included.
Result: runs/compare/report.html; its first line says whether every run learned
enough to be compared.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import (autoregressive, masked, replaced_token,
                                span_corruption)


def get_config(arg=None):
  """'quick' (under 12 minutes on two cores) or 'tiny'."""
  size, kinds = presets.parse(arg, sizes=('quick', 'tiny'), kinds=('corpus',))
  base = config.Experiment(
      objective=autoregressive.Objective(),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      # Rotary positions: attention to neighbours is there from the start.
      # Weights of scale 1/sqrt(width): with 0.02, which is meant for wide
      # models, a narrow masked one waits long on the unigram plateau.
      model=config.Model(depth=2, width=48, num_heads=2, positions='rotary',
                         init_scale=0.144),
      tokenizer=config.Tokenizer(kind='bpe', vocab_size=1024),
      data=config.Data(raw_length=64, batch_size=16),
      optimizer=config.Optimizer(
          learning_rate=2e-3, schedule='linear', warmup_steps=80, b2=0.98),
      budget=config.Budget('tokens', 1_550_000),
      checkpoints=config.Checkpoints(every_steps=400),
      evaluation=config.Evaluation(
          every_steps=400, num_batches=32, tasks=('docstring_library',)))
  if size == 'tiny':
    base = presets.shrink(base, 'tiny')
    base.budget = config.Budget('tokens', 50 * 16 * 64)
    base.evaluation.tasks = ()
  return config.Comparison(base=base, runs={
      'autoregressive': autoregressive.Objective(),
      'masked': masked.Objective(),
      'span_corruption': span_corruption.Objective(),
      'replaced_token': replaced_token.Objective()},
      # The best of 0.002, 0.004, 0.008 and 0.016 on validation, at 1.64 million
      # tokens.
      learning_rates={} if size == 'tiny' else {
          'autoregressive': 0.016,
          'masked': 0.008,
          'span_corruption': 0.004,
          'replaced_token': 0.004},
      learning_rates_source='' if size == 'tiny' else (
          'benchmarks/learning_rates.json'))


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
