"""RoBERTa: masked LM with fresh masks, more text a step and no pairs.

  python experiments/roberta.py --config=:tiny --workdir=runs/roberta

Paper: Liu et al. 2019, arXiv:1907.11692. Base is the released recipe: 12
layers, width 768, 125 million parameters, 125,000 updates of 2048 x 512
tokens. --config.objective.static_masks=10 gives BERT's static masks, with
which the paper's section 4.1 compares.

Time: tiny 53 s on two busy cores with all its compilations, 3 s of training.
Result: tiny 4.65 nats a prediction, above the unigram loss of 4.40.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import masked


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', masked.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=768, num_heads=12, activation='gelu',
          norm_position='post', embedding_norm=True, positions='learned',
          # As published, positions are counted from the id of padding on.
          max_length=512, position_offset=1, dropout=0.1,
          attention_dropout=0.1),
      tokenizer=config.Tokenizer(kind='bpe', vocab_size=50265),
      data=config.Data(raw_length=510, batch_size=2048),
      optimizer=config.Optimizer(
          learning_rate=5e-4, schedule='linear', warmup_steps=10_000,
          b2=0.98, eps=1e-6),
      num_steps=125_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
