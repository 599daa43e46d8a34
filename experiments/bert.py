"""BERT: an encoder that recovers hidden tokens and tells which text goes on.

  python experiments/bert.py --config=:tiny --workdir=runs/bert

Paper: Devlin et al. 2019, arXiv:1810.04805. The objective is a sum, masked LM
and next-sentence prediction; masks are drawn anew at every visit
(--config.objective.members.masked.static_masks=10 for the paper's). Base is
the published configuration: 12 layers, width 768, 110 million parameters,
batches of 256 x 512 tokens, a million updates, at length 512 from the start,
where the paper trains 90 % of its updates at 128. For masked LM alone see
roberta.py.

Time: tiny 3 s of training on two cores, a minute with all its compilations.
Result: tiny 4.73 nats a hidden token (4.44 by the best constant) and 0.66 a
pair (0.66): fifty updates are too few; with --config.num_steps=1000 (a minute)
4.11 and 0.51.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import sum as sums


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', sums.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=768, num_heads=12, activation='gelu',
          norm_position='post', embedding_norm=True, positions='learned',
          max_length=512, num_token_types=2, dropout=0.1,
          attention_dropout=0.1),
      tokenizer=config.Tokenizer(vocab_size=30522),
      data=config.Data(raw_length=509, batch_size=256),
      optimizer=config.Optimizer(
          learning_rate=1e-4, schedule='linear', warmup_steps=10_000,
          b2=0.999, eps=1e-6),
      num_steps=1_000_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
