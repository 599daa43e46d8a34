"""Every sentence-level objective with a floor on one language whose law is
known.

As `floors.py` does it for tokens: loss, floor, the excess in nats a question
and the share of the possible gain, from the best constant answer to the best
one that the law allows.

  python experiments/floors_sentences.py --workdir=runs/floors-sentences
  python experiments/floors_sentences.py --config=:tiny --workdir=runs/tiny

A document has 8 sentences of 8 symbols that share one of 4 topics; they go
through 4 roles in their order. One seed each by default.

Time: under 5 minutes an objective on two cores; tiny 1 minute.
Result: next sentence 90.2 % of the possible gain, order 91.7 %, structure
85.2 %, reordering 89.9 %, distance 81.0 %; none below its floor.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import source
from ptm_jax.objectives import (next_sentence, sentence_distance,
                                sentence_order, sentence_reordering,
                                sentence_structure)
from ptm_jax.sources import topics


def get_config(arg=None):
  """'small' (5 minutes an objective on two cores) or 'tiny'."""
  size, kinds = presets.parse(arg, sizes=('small', 'tiny'), kinds=('corpus',))
  tiny = size == 'tiny'
  base = config.Experiment(
      objective=next_sentence.Objective(),
      corpus=kinds.get('corpus', source.Corpus(
          topics.Source(), num_documents=4000 if tiny else 240_000)),
      model=config.Model(depth=2, width=32 if tiny else 64,
                         num_heads=2 if tiny else 4, mlp_dim=128,
                         positions='rotary', num_token_types=2),
      data=config.Data(raw_length=64, batch_size=16 if tiny else 64),
      optimizer=config.Optimizer(
          learning_rate=1e-3, schedule='linear',
          warmup_steps=5 if tiny else 100, weight_decay=0.0),
      num_steps=50 if tiny else 4000)
  base.checkpoints.every_steps = base.num_steps // 2
  # Often, for the curve of the excess.
  base.evaluation.every_steps = base.num_steps // (5 if tiny else 20)
  base.evaluation.num_batches = 4 if tiny else 8
  return config.Comparison(base=base, runs={
      'next_sentence': next_sentence.Objective(),
      'sentence_order': sentence_order.Objective(),
      'sentence_structure': sentence_structure.Objective(),
      'sentence_reordering': sentence_reordering.Objective(),
      'sentence_distance': sentence_distance.Objective()}, seeds=(0,))


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
