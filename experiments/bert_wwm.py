"""BERT-wwm: all pieces of a word are hidden together.

  python experiments/bert_wwm.py --config=:tiny --workdir=runs/bert_wwm

Paper: Cui et al. 2019, arXiv:1906.08101. Base is the published
configuration of its second phase: BERT's 12 layers of width 768, 100,000
updates of 384 x 512 tokens; the first phase, as many of 2560 x 128 tokens,
next-sentence prediction and the LAMB optimizer are left out. The paper is on
Chinese, with words from a segmenter; here words are those of the text.

Time: tiny 54 s on two busy cores with all its compilations, 3 s of training.
Result: tiny 4.40 nats a prediction, above the unigram loss of 4.14.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import masked


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', masked.Objective(unit='whole_word')),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=768, num_heads=12, activation='gelu',
          norm_position='post', embedding_norm=True, positions='learned',
          max_length=512, num_token_types=2, dropout=0.1,
          attention_dropout=0.1),
      tokenizer=config.Tokenizer(vocab_size=21128),
      data=config.Data(raw_length=510, batch_size=384),
      optimizer=config.Optimizer(
          learning_rate=1e-4, schedule='linear', warmup_steps=10_000,
          b2=0.999, eps=1e-6),
      num_steps=100_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
