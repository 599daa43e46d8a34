"""`generate`: text from an autoregressive run."""

import sys

from ptm_jax.errors import ConfigError


class Verb:
  """Continues prompts: one from the command line, the lines of standard input
  or, with --interactive, what is typed."""

  takes_config = False
  flags = {
      'checkpoint': ('', 'folder of the run'),
      'prompt': ('', 'text to continue; without it, every line of standard '
                     'input is one, and no line at all starts a document'),
      'max_tokens': (64, 'tokens to write'),
      'num_samples': (1, 'continuations of each prompt'),
      'temperature': (1.0, 'divides the scores; 0 takes the likeliest token'),
      'top_k': (0, 'draw among so many of the likeliest tokens; 0: all'),
      'top_p': (1.0, 'draw among the likeliest tokens of this chance together'),
      'min_p': (0.0, "draw among tokens of at least this share of the "
                     "likeliest's chance"),
      'repetition_penalty': (1.0, 'makes what has occurred less likely'),
      'stop': ('', 'text that ends a continuation'),
      'seed': (0, 'of the draws'),
      'interactive': (False, 'ask for one prompt after the other'),
  }

  @staticmethod
  def run(flags):
    if not flags.checkpoint:
      raise ConfigError('--checkpoint is missing: name the folder of a run')
    if flags.max_tokens < 1 or flags.num_samples < 1:
      raise ConfigError(f'--max_tokens={flags.max_tokens} --num_samples='
                        f'{flags.num_samples}: at least 1 each')
    from ptm_jax import setup_jax
    setup_jax.configure()
    from ptm_jax import generation
    from ptm_jax.load import load
    sampling = generation.Sampling(
        flags.temperature, flags.top_k, flags.top_p, flags.min_p,
        flags.repetition_penalty)
    run = load(flags.checkpoint)
    writer = generation.Writer(run, sampling)
    for prompts in _prompts(flags):
      _show(run, writer, prompts * flags.num_samples, flags)


def _prompts(flags):
  """Yields lists of prompts that are continued together."""
  if flags.interactive:
    while True:
      try:
        yield [input('> ')]
      except EOFError:
        return
  elif flags.prompt or sys.stdin.isatty():
    yield [flags.prompt]
  else:
    yield [line.rstrip('\n') for line in sys.stdin] or ['']


def _show(run, writer, prompts, flags):
  """Prints prompts and what follows; a single one as it is written."""
  ids = [[] for _ in prompts]
  shown = ''
  for tokens in writer.write(prompts, flags.max_tokens, flags.seed):
    for row, token in zip(ids, tokens.tolist(), strict=True):
      row.append(token)
    texts = [run.tokenizer.decode(row) for row in ids]
    if len(prompts) == 1:
      text = _cut(texts[0], flags.stop)
      if not shown:
        print(prompts[0], end='')
      # The last character may want more of its bytes.
      ready = text[len(shown):].rstrip('\ufffd')
      print(ready, end='', flush=True)
      shown += ready
    if flags.stop and all(flags.stop in text for text in texts):
      break
  if len(prompts) == 1:
    print()
    return
  for prompt, row in zip(prompts, ids, strict=True):
    print(prompt + _cut(run.tokenizer.decode(row), flags.stop))


def _cut(text, stop):
  return text.partition(stop)[0] if stop else text
