"""ELECTRA: tell replaced tokens from original ones.

  python experiments/electra.py --config=:tiny --workdir=runs/electra

Paper: Clark et al. 2020, arXiv:2003.10555. Base is the released 'small': 12
layers, width 256, embeddings of 128, 14 million parameters, batches of 128 x
128 tokens, a million updates.

Time: tiny 15 s on two cores, once the corpus is prepared.
Result: tiny 0.39 nats a token for the discriminator (the base rate gives 0.41)
and 4.65 a prediction for the generator.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import replaced_token


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', replaced_token.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=256, num_heads=4, mlp_dim=1024, activation='gelu',
          norm_position='post', embedding_norm=True, embedding_width=128,
          positions='learned', max_length=512, num_token_types=2, dropout=0.1,
          attention_dropout=0.1),
      tokenizer=config.Tokenizer(vocab_size=30522),
      data=config.Data(raw_length=126, batch_size=128),
      optimizer=config.Optimizer(
          learning_rate=5e-4, schedule='linear', warmup_steps=10_000,
          b2=0.999, eps=1e-6),
      num_steps=1_000_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
