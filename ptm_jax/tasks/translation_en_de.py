"""English to German, as Multi30k is published (Elliott et al. 2016,
arXiv:1605.00459)."""

from ptm_jax.tasks import translation


class Task(translation.Task):
  """BLEU and chrF of sacrebleu, 0..100. `train.en` and `train.de`, a text a
  line, and of Multi30k the test of 2016."""

  sides = ('en', 'de')
  layouts = translation.layouts('en', 'test', 'test_2016_flickr', 'val')
