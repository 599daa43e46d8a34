"""SpanBERT: masked spans, also predicted from their boundaries.

  python experiments/spanbert.py --config=:tiny --workdir=runs/spanbert

Paper: Joshi et al. 2020, arXiv:1907.10529. Base is the published
configuration: 12 layers, width 768, 110 million parameters, one segment, no
next-sentence prediction, 2.4 million updates of 131,072 tokens.

Time: tiny 63 s on two busy cores with all its compilations, 2 s of training.
Result: tiny 4.72 nats a prediction by masked LM and 4.73 from the boundaries,
both above the unigram loss of 4.45: 50 updates are too few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import span_boundary


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', span_boundary.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=768, num_heads=12, activation='gelu',
          norm_position='post', embedding_norm=True, positions='learned',
          max_length=512, dropout=0.1,
          attention_dropout=0.1),
      tokenizer=config.Tokenizer(vocab_size=28996),
      data=config.Data(raw_length=510, batch_size=256),
      optimizer=config.Optimizer(
          learning_rate=1e-4, schedule='linear', warmup_steps=10_000,
          b2=0.999, eps=1e-8),
      num_steps=2_400_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
