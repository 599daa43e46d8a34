"""StructBERT: masked LM, shuffled trigrams, and which of three texts goes on.

  python experiments/structbert.py --config=:tiny --workdir=runs/structbert

Paper: Wang et al. 2019, arXiv:1908.04577. The objective is the sum of the word
and the sentence structural objective, with equal weights. Base is as BERT's: 12
layers, width 768, 110 million parameters; the paper does not give the updates,
which are BERT's here.

Time: tiny 3 s of training on two cores, 40 s with all its compilations.
Result: tiny 4.64 nats a hidden token (4.41 by the best constant), 4.63 a
shuffled one (4.12) and 1.00 a pair (0.99): fifty updates are too few.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import sentence_structure
from ptm_jax.objectives import sum as sums
from ptm_jax.objectives import word_structure


def get_config(arg=None):
  """'base', 'small' or 'tiny', and kinds such as 'corpus=text'."""
  size, kinds = presets.parse(arg)
  experiment = config.Experiment(
      objective=kinds.get('objective', sums.Objective({
          'word_structure': word_structure.Objective(),
          # As published. Tiny windows have hardly two whole sentences.
          'sentence_structure': sentence_structure.Objective(
              whole_sentences=size != 'tiny')})),
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
