r"""Table 5 of ALBERT: what does a question about sentences teach?

  python experiments/albert_table5.py --config=:small,corpus=text \
    --config.base.corpus.path=books.tar.xz --workdir=runs/table5

Paper: Lan et al. 2020, arXiv:1909.11942, section 4.6. Masked LM alone, with
next-sentence prediction and with sentence order; then every trunk is asked
both questions, by its own classifier and by a linear probe on the frozen
state of `[CLS]` (`ptm_jax/questions.py`). The text is long documents, such as
books; the embedded corpus has none.

Time: small 62 minutes for its three runs on two cores shared with other work.
Result: half of it. On held-out books (3,595 pairs about order, 4,000 about
next sentences) the order trunk answers .718 about order and .515 about next
sentences (.60 was hoped for, .789 published); the next-sentence trunk .503
about order, which is chance as published, and only .561 about its own
question. The table is in the README.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import python_docs
from ptm_jax.objectives import masked, next_sentence, sentence_order
from ptm_jax.objectives import sum as sums


def get_config(arg=None):
  """'small' or 'tiny', and a kind of corpus such as 'corpus=topics'."""
  size, kinds = presets.parse(arg, sizes=('small', 'tiny'), kinds=('corpus',))
  questions = {
      'sentence_order': sentence_order.Objective(whole_sentences=True),
      'next_sentence': next_sentence.Objective()}
  base = config.Experiment(
      objective=masked.Objective(),
      corpus=kinds.get('corpus', python_docs.Corpus()),
      model=config.Model(depth=2, width=64, num_heads=4, positions='rotary',
                         num_token_types=2, init_scale=0.125),
      tokenizer=config.Tokenizer(kind='bpe', vocab_size=4096),
      data=config.Data(raw_length=128, batch_size=32, packing='document'),
      optimizer=config.Optimizer(
          learning_rate=2e-3, schedule='linear', warmup_steps=300),
      num_steps=3000)
  base.checkpoints.every_steps = 500
  base.evaluation = config.Evaluation(500, 32, questions=questions)
  if size == 'tiny':
    base = presets.shrink(base, 'tiny')
  return config.Comparison(base=base, runs={
      **{name: sums.Objective({'masked': masked.Objective(), name: question})
         for name, question in questions.items()},
      'masked': masked.Objective()}, seeds=(0,))


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
