"""Any questions with choices: which answer scores best behind its prompt?

A JSON object a line, `{"prompt": "...", "choices": ["...", ...], "answer": 0}`.
"""

import numpy as np

from ptm_jax.errors import DataError
from ptm_jax.objectives import ways
from ptm_jax.tasks import rows, zero_shot


class Task(zero_shot.ZeroShot):
  """`accuracy` by the sum of nats, `accuracy_per_token` and
  `accuracy_per_byte` by the sum over so many tokens or bytes of UTF-8."""

  kinds = ways.KINDS

  def read(self, data_dir):
    found = []
    for name, number, row in self.json_rows(data_dir):
      where = f'{name} {number}'
      prompt = zero_shot.text_of(row, 'prompt', where)
      choices, answer = (rows.cell(row, column, where)
                         for column in ('choices', 'answer'))
      if not isinstance(choices, list) or len(choices) < 2 or not all(
          isinstance(one, str) and one.strip() for one in choices):
        raise DataError(f'{where}: choices are no list of two texts or more')
      if type(answer) is not int or not 0 <= answer < len(choices):
        raise DataError(f'{where}: answer {answer!r:.80} is no number of a '
                        f'choice, 0 to {len(choices) - 1}')
      found.append(zero_shot.Example((prompt, *choices), answer, where))
    return found

  def measure(self, trunk, examples):
    scores = iter(trunk.score([
        (choice, one.texts[0], one.where)
        for one in examples for choice in one.texts[1:]]))
    right = []
    for one in examples:
      each = [next(scores) for _ in one.texts[1:]]
      total = np.asarray([score.total for score in each])
      per = np.asarray([[1, max(len(score.nats), 1), max(score.num_bytes, 1)]
                        for score in each])
      right.append(np.argmin(total[:, None] / per, 0) == one.label)
    names = 'accuracy', 'accuracy_per_token', 'accuracy_per_byte'
    return dict(zip(names, np.mean(right, 0).tolist(), strict=True))
