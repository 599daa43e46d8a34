"""ALBERT: a factorised embedding, one layer used again, and sentence order.

  python experiments/albert.py --config=:tiny --workdir=runs/albert

Paper: Lan et al. 2019, arXiv:1909.11942. The objective is masked LM of runs of
up to three words and sentence-order prediction. Base is the published one: 12
layers that share their parameters, width 768, embeddings of 128, 12 million
parameters, 125,000 updates of 4096 x 512 tokens; AdamW for the paper's LAMB.

Time: tiny 3 s of training on two cores, 40 s with all its compilations; the
small sizes do not factorise the embedding.
Result: tiny 4.47 nats a hidden token (4.20 by the best constant) and 0.72 a
pair (0.69): fifty updates are too few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import masked, sentence_order
from ptm_jax.objectives import sum as sums


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', sums.Objective({
          'masked': masked.Objective(unit='ngram', max_predictions=20),
          # As published. Tiny windows have hardly two whole sentences.
          'sentence_order': sentence_order.Objective(
              whole_sentences=size != 'tiny')})),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(
          depth=12, width=768, num_heads=12, activation='gelu',
          norm_position='post', embedding_norm=True, positions='learned',
          max_length=512, num_token_types=2, dropout=0.1,
          attention_dropout=0.1, embedding_width=128, share_layers=True),
      tokenizer=config.Tokenizer(vocab_size=30_000),
      data=config.Data(raw_length=509, batch_size=4096),
      optimizer=config.Optimizer(
          learning_rate=1.76e-3, schedule='linear', warmup_steps=3125,
          b2=0.999, eps=1e-6),
      num_steps=125_000)
  return presets.shrink(experiment, size)


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
