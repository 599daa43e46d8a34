"""GLM: one stack reads a text with blanks both ways and writes the blanks.

  python experiments/glm.py --config=:tiny --workdir=runs/glm

Paper: Du et al. 2022, arXiv:2103.10360. Base is the released configuration: 12
layers, width 768, 110 million parameters, texts of 512 tokens, 150 thousand
updates of which a cosine takes 120. The batch is that of the large model; the
learning rate is not published with it, and 4e-4 stands here. Sentences and
long spans are --config.objective.unit=sentence and =document.

Time: tiny 31 s on two busy cores with all its compilations.
Result: tiny 3.98 nats a token, above the unigram loss of 3.90: 50 updates are
too few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import blank_infilling


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', blank_infilling.Objective()),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=768, num_heads=12, activation='gelu',
          norm_position='pre', positions='learned', max_length=512,
          dropout=0.1, attention_dropout=0.1),
      tokenizer=config.Tokenizer(vocab_size=30522),
      data=config.Data(raw_length=512, batch_size=1024),
      optimizer=config.Optimizer(
          learning_rate=4e-4, schedule='cosine', warmup_steps=6000),
      num_steps=150_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
