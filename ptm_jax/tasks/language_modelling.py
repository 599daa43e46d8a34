"""Language modelling on the splits and with the words of a published set."""

import math

from ptm_jax.errors import DataError
from ptm_jax.tasks import rows, zero_shot


class LanguageModelling(zero_shot.ZeroShot):
  """A test split as one text of lines, each ended by a newline.

  `perplexity_per_word` is exp(nats / words), the words being those between
  white space and one `<eos>` for each line, as published results count them,
  whatever tokens the trunk has; `bits_per_byte` is over the text's UTF-8. Of a
  trunk that gives a bound or pseudo-log-likelihoods only, the names say so.
  Every token is scored once, in windows that overlap by half.

  Class attribute:
    files: names of the published split, the first that is there is read.
  """

  kinds = ('likelihood', 'bound', 'pseudo')
  in_order = True
  files = ()

  def read(self, data_dir):
    path = self.file(data_dir, *self.files)
    found = [zero_shot.Example((line.strip(),), None, f'{path} line {number}')
             for number, line in rows.lines(path)]
    if found and not found[-1].texts[0]:
      found.pop()  # behind the last newline
    if not found:
      raise DataError(f'{path} is empty')
    return found

  def measure(self, trunk, examples):
    lines = [one.texts[0] for one in examples]
    text = ''.join(line + '\n' for line in lines)
    nats, tokens = trunk.stream(text)
    words = sum(len(line.split()) + 1 for line in lines)
    kind = trunk.scorer.way.kind
    kind = '' if kind == 'likelihood' else f'{kind}_'
    return {
        f'{kind}perplexity_per_word': math.exp(min(nats / words, 700)),
        f'{kind}bits_per_byte': nats / math.log(2) / len(text.encode()),
        f'{kind}nats_per_token': nats / max(tokens, 1), 'words': words,
        'tokens': tokens, 'bytes': len(text.encode())}
