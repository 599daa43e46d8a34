"""The Transformer, as it began: an encoder-decoder trained to translate.

  python experiments/transformer.py --config=:tiny --workdir=runs/transformer

Paper: Vaswani et al. 2017, arXiv:1706.03762. Base is the paper's: 6 + 6 layers,
width 512, 25 thousand tokens of each language in a batch, 100 thousand updates;
63 million parameters with 37,000 ids, where the paper counts 65. The schedule's
d**-0.5 * 4000**-0.5 at its peak is 7e-4. It reads pairs of known law, which
need no file; with `corpus=parallel` behind the size, two files whose lines
belong together.

`:multi30k` is for 29 thousand image captions (https://github.com/multi30k):

  python experiments/transformer.py --config=:multi30k --workdir=runs/en-de \
    --config.corpus.source=train.en.gz --config.corpus.target=train.de.gz
  python -m ptm_jax generate --checkpoint=runs/en-de --beam=4 \
    --input=test_2016_flickr.en.gz --reference=test_2016_flickr.de.gz \
    --output=test.de

Time: tiny 20 s on two busy cores; multi30k 34 minutes on two cores that were
shared with other work (20 minutes of processor time), and 1.7 to translate.
Result: tiny 2.6 nats a token, where the floor is 0.6; multi30k 2.23 nats a
token on held-out captions, and 30.7 BLEU, 54.6 chrF on test 2016 with a beam
of 4 (sacrebleu 2.6.0, nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp).
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import pairs, parallel
from ptm_jax.objectives import translation


def get_config(arg=None):
  """'base', 'small', 'tiny' or 'multi30k', and kinds such as
  'corpus=parallel'."""
  size, kinds = presets.parse(arg, (*presets.SIZES, 'multi30k'))
  corpus = parallel.Corpus() if size == 'multi30k' else pairs.Corpus()
  experiment = config.Experiment(
      objective=kinds.get('objective', translation.Objective()),
      corpus=kinds.get('corpus', corpus),
      model=config.Model(
          depth=12, width=512, num_heads=8, mlp_dim=2048, activation='relu',
          norm_position='post', positions='sinusoidal', max_length=512,
          scale_embeddings=True, dropout=0.1, attention_dropout=0.1),
      tokenizer=config.Tokenizer(kind='bpe', vocab_size=37_000),
      # About 25 thousand tokens of each language.
      data=config.Data(raw_length=256, batch_size=100, packing='whole'),
      optimizer=config.Optimizer(
          # 512**-0.5 * 4000**-0.5 at the peak.
          learning_rate=7e-4, schedule='inverse_sqrt', warmup_steps=4000,
          b2=0.98, eps=1e-9, weight_decay=0.0, clip_norm=0.0),
      num_steps=100_000)
  if size == 'multi30k':
    _multi30k(experiment)
  else:
    presets.shrink(experiment, size)
  # Embeddings that are scaled by sqrt(width) begin with variance 1.
  experiment.model.init_scale = experiment.model.width**-0.5
  return experiment


def _multi30k(experiment):
  """A small corpus of short sentences: a small model, few passes."""
  model, data = experiment.model, experiment.data
  model.depth, model.width, model.num_heads, model.mlp_dim = 6, 128, 4, 256
  model.attention_dropout = 0.0
  experiment.tokenizer.vocab_size = 4000
  data.raw_length, data.batch_size = 96, 16
  experiment.num_steps = 2700  # eight times through the text
  optimizer = experiment.optimizer
  optimizer.learning_rate, optimizer.warmup_steps = 2e-3, 300
  optimizer.schedule, optimizer.clip_norm = 'linear', 1.0
  experiment.evaluation.every_steps = 900
  experiment.checkpoints.every_steps = 900
  experiment.log_every_steps = 50


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
