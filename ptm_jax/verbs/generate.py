"""`generate`: text from a run that writes from left to right."""

import sys

from ptm_jax.errors import ConfigError

_SCORES = {'bleu': 'BLEU', 'chrf': 'chrF', 'rouge1': 'ROUGE-1',
           'rouge2': 'ROUGE-2', 'rougeLsum': 'ROUGE-L'}


class Verb:
  """Continues, translates or sums up prompts: one from the command line, the
  lines of a file or of standard input or, with --interactive, what is typed.
  """

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
      'beam': (0, 'nothing is drawn: the best text that so many candidates '
                  'find; 0: off'),
      'length_penalty': (0.6, 'makes a beam like long texts; 0 turns it off'),
      'stop': ('', 'text that ends a continuation'),
      'seed': (0, 'of the draws'),
      'interactive': (False, 'ask for one prompt after the other'),
      'input': ('', 'file of prompts, a line each, plain or compressed; needs '
                    '--beam and --output'),
      'output': ('', 'file for what is written behind each line of --input'),
      'reference': ('', 'file of right answers to --input: prints BLEU, chrF, '
                       'ROUGE'),
      'batch_size': (32, 'lines of --input at once'),
  }

  @staticmethod
  def run(flags):
    _check(flags)
    from ptm_jax import setup_jax
    setup_jax.configure()
    from ptm_jax.generation.beam import Search
    from ptm_jax.generation.sampling import Sampling
    from ptm_jax.generation.writing import Writer
    from ptm_jax.load import load_with_tokenizer
    from ptm_jax.objectives import masked_diffusion
    sampling = Sampling(flags.temperature, flags.top_k, flags.top_p,
                        flags.min_p, flags.repetition_penalty)
    if flags.beam:
      search = Search(flags.beam, flags.length_penalty)
      if sampling != Sampling():
        raise ConfigError(f'--beam={flags.beam} draws nothing: leave out '
                          '--temperature, --top_k, --top_p, --min_p and '
                          '--repetition_penalty')
      _search(flags, search)
      return
    run = load_with_tokenizer(flags.checkpoint)
    if isinstance(run.objective, masked_diffusion.Objective):
      _unmask(run, sampling, flags)
      return
    writer = Writer(run, sampling)
    for prompts in _prompts(flags):
      _show(run, writer, prompts * flags.num_samples, flags)


def _check(flags):
  if not flags.checkpoint:
    raise ConfigError('--checkpoint is missing: name the folder of a run')
  for name in 'max_tokens', 'num_samples', 'batch_size':
    if getattr(flags, name) < 1:
      raise ConfigError(f'--{name}={getattr(flags, name)}: at least 1')
  if flags.beam < 0:
    raise ConfigError(f'--beam={flags.beam}: 1 or more candidates, or 0')
  if flags.input and not (flags.beam and flags.output):
    raise ConfigError(f'--input={flags.input} needs --beam, such as --beam=4, '
                      'and --output=FILE')
  for name in 'output', 'reference':
    if getattr(flags, name) and not flags.input:
      raise ConfigError(f'--{name}={getattr(flags, name)} belongs to a file of '
                        'prompts: name it with --input')


def _search(flags, search):
  """Writes what a beam finds, of a file or of prompts."""
  from ptm_jax.generation import whole_files
  from ptm_jax.generation.beam import Searcher
  from ptm_jax.load import load_with_tokenizer
  from ptm_jax.progress import bar
  from ptm_jax.tasks import references
  lines = whole_files.read('input', flags.input) if flags.input else []
  reference = []
  if flags.reference:
    references.check()
    reference = whole_files.read('reference', flags.reference)
    references.check_lines(lines, reference)
  run = load_with_tokenizer(flags.checkpoint)
  searcher = Searcher(run, search)
  if not flags.input:
    for prompts in _prompts(flags):
      rows, _ = searcher.write(prompts, flags.max_tokens)
      for prompt, row in zip(prompts, rows, strict=True):
        print(_begin(run, prompt) + _cut(run.tokenizer.decode(row), flags.stop))
    return
  with bar('writing', unit='lines') as advance:
    found = whole_files.continued(
        run, searcher, lines, flags.max_tokens, flags.batch_size, advance)
  found = [_cut(line, flags.stop) for line in found]
  whole_files.write(flags.output, found)
  if reference:
    scores = references.score(found, reference)
    signature = scores.pop('signature')
    print('  '.join(f'{_SCORES[name]} {value:.2f}'
                    for name, value in scores.items()), f' ({signature})')


def _unmask(run, sampling, flags):
  """Masked diffusion has no order: it fills as many blanks as are asked for.
  """
  from ptm_jax.generation import filling
  for prompts in _prompts(flags):
    for number, prompt in enumerate(prompts * flags.num_samples):
      found = filling.unmask(run, [prompt] + [''] * flags.max_tokens,
                             sampling=sampling, seed=flags.seed + number)
      print(prompt + _cut(''.join(found), flags.stop))


def _prompts(flags):
  """Yields lists of prompts that are continued together."""
  if flags.interactive:
    while True:
      try:
        yield [input('> ')]
      except EOFError:
        print()
        return
  elif flags.prompt or sys.stdin.isatty():
    yield [flags.prompt]
  else:
    yield [line.rstrip('\n') for line in sys.stdin] or ['']


def _show(run, writer, prompts, flags):
  """Prints prompts and what follows; a single one as it is written."""
  ids = [[] for _ in prompts]
  shown = ''
  at_once = {} if len(prompts) > 1 else {'at_once': 1}
  for tokens in writer.write(prompts, flags.max_tokens, flags.seed, **at_once):
    for row, token in zip(ids, tokens.tolist(), strict=True):
      row.append(token)
    texts = [run.tokenizer.decode(row) for row in ids]
    if len(prompts) == 1:
      if len(ids[0]) == 1:
        print(_begin(run, prompts[0]), end='')
      ready = _settled(texts[0], flags.stop)[len(shown):]
      print(ready, end='', flush=True)
      shown += ready
    if flags.stop and all(flags.stop in text for text in texts):
      break
  if len(prompts) == 1:
    print(_cut(run.tokenizer.decode(ids[0]), flags.stop)[len(shown):])
    return
  for prompt, row in zip(prompts, ids, strict=True):
    print(_begin(run, prompt) + _cut(run.tokenizer.decode(row), flags.stop))


def _begin(run, prompt):
  """What a text is shown behind: a prompt that it continues."""
  return '' if run.objective.model.form == 'encoder_decoder' else prompt


def _cut(text, stop):
  return text.partition(stop)[0] if stop else text


def _settled(text, stop):
  """What of a text no further token can change: its last character may want
  more of its bytes, and its end may be the beginning of `stop`."""
  found = _cut(text, stop)
  if found != text:
    return found
  begun = [count for count in range(1, len(stop))
           if text.endswith(stop[:count])]
  return text[:len(text) - max(begun, default=0)].rstrip('\ufffd')
