"""LAMBADA: the last word of a passage (Paperno et al. 2016,
arXiv:1606.06031)."""

import math

import numpy as np

from ptm_jax.data import files
from ptm_jax.errors import DataError
from ptm_jax.tasks import rows, zero_shot


class Task(zero_shot.ZeroShot):
  """`accuracy`: all tokens of the word are the likeliest ones in their turn,
  which is what greedy decoding would write. A masked trunk is given the number
  of the word's tokens, all hidden, and fills them from the left. `perplexity`
  is of the word, exp of the mean nats.
  """

  kinds = ('likelihood', 'bound', 'pseudo')
  prefers = ('within_word',)

  def read(self, data_dir):
    path = self.file(data_dir, 'lambada_test.jsonl',
                     'lambada_test_plain_text.txt',
                     'lambada_development_plain_text.txt')
    if files.kind_of(path.name) == 'jsonl':
      texts = ((f'{path} {number}', zero_shot.text_of(
          row, 'text', f'{path} {number}'))
               for number, row in rows.read(path, rows.json_lines))
    else:
      texts = ((f'{path} line {number}', line)
               for number, line in rows.lines(path))
    found = []
    for where, text in texts:
      context, space, word = text.strip().rpartition(' ')
      if space:
        found.append(zero_shot.Example((context, word), None, where))
    if not found:
      raise DataError(f'{path} holds no passage of two words or more')
    return found

  def measure(self, trunk, examples):
    scores = trunk.score([(f' {word}', context, where)
                          for (context, word), _, where in examples])
    return {'accuracy': float(np.mean([all(one.correct) for one in scores])),
            'perplexity': math.exp(np.mean([one.total for one in scores]))}
