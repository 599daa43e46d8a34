"""ERNIE (Baidu): named entities are hidden as a whole.

  python experiments/ernie.py --config=:tiny --workdir=runs/ernie

Paper: Sun et al. 2019, arXiv:1904.09223. Base is BERT's configuration, which
the paper takes over: 12 layers, width 768, batches of 256 x 512 tokens, a
million updates (the paper gives neither). It is the last of the paper's three
stages; --config.objective.unit=token and =phrase are the first two. Names come
from the corpus, or from a file: --config.objective.gazetteer=FILE. The pair
label is left out.

Time: tiny 24 s on two cores with all its compilations, once the corpus is
prepared and its names are marked (40 s).
Result: tiny 4.64 nats a prediction, above the unigram loss of 4.39.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import masked


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', masked.Objective(unit='entity')),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=768, num_heads=12, activation='gelu',
          norm_position='post', embedding_norm=True, positions='learned',
          max_length=512, num_token_types=2, dropout=0.1,
          attention_dropout=0.1),
      tokenizer=config.Tokenizer(vocab_size=17964),
      data=config.Data(raw_length=510, batch_size=256),
      optimizer=config.Optimizer(
          learning_rate=1e-4, schedule='linear', warmup_steps=10_000,
          b2=0.999, eps=1e-6),
      num_steps=1_000_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
