"""One door: `python -m ptm_jax VERB --flag=value ...`.

`verbs/VERB.py` does the work; here errors become one line and an exit code.
An experiment file ends in the same place through `run_experiment`.
"""

import sys

from ptm_jax import __version__, signals
from ptm_jax.errors import ConfigError, DataError, PtmError
from ptm_jax.find import find, names


def main(argv=None):
  """Runs a command line; returns the exit code."""
  argv = list(sys.argv[1:] if argv is None else argv)
  if argv and argv[0] == '--version':
    print(f'ptm_jax {__version__}')
    return 0
  if not argv or argv[0] in ('--help', '-h', 'help'):
    print(_usage())
    return 0 if argv else ConfigError.exit_code
  return _guarded(lambda: _run(argv[0], argv[1:]))


def run_experiment(config_file):
  """Main of an experiment file: its own file is the default of `--config`,
  and its kind of config chooses the verb. Exits with the code."""
  argv = sys.argv[1:]

  def run():
    from ptm_jax import config
    from ptm_jax.command_line import load_config, load_plan
    settings = load_config(config_file)
    verb = 'compare' if isinstance(settings, config.Comparison) else (
        'sweep' if load_plan(config_file) else 'pretrain')
    return _run(verb, argv, config_file)

  sys.exit(_guarded(run))


def _run(verb_name, argv, config_file=''):
  from ptm_jax import command_line
  verb = find('verbs', verb_name)
  try:
    flags = command_line.parse(verb, argv, config_file)
  except command_line.Help as text:
    print(text)
    return 0
  verb.run(flags)
  return 0


def _guarded(function):
  try:
    with signals.watch(ends_process=True):
      return function()
  except PtmError as error:
    print(f'ptm_jax: {" ".join(str(error).split())}', file=sys.stderr)
    return error.exit_code
  except BrokenPipeError:
    return 0
  except OSError as error:
    if error.errno is None or error.filename is None:
      raise  # of no file: a fault of ours
    print(f'ptm_jax: cannot use {error.filename}: {error.strerror}',
          file=sys.stderr)
    return DataError.exit_code
  except (MemoryError, RuntimeError) as error:
    # jax's own error is a RuntimeError, and jax may not be imported here.
    if not isinstance(error, MemoryError) and (
        'RESOURCE_EXHAUSTED' not in str(error)):
      raise
    first = (str(error).strip() or 'no more could be had').splitlines()[0]
    print(f'ptm_jax: out of memory ({first[:200]}): lower data.batch_size, '
          'data.raw_length or the model\'s size, or raise '
          'compute.micro_batches', file=sys.stderr)
    return ConfigError.exit_code


def _usage():
  lines = ['usage: python -m ptm_jax VERB --flag=value ...', '',
           'Verbs (each has --help):']
  for name in names('verbs'):
    summary = find('verbs', name).__doc__.strip().splitlines()[0]
    lines.append(f'  {name:10} {summary}')
  lines += ['', 'python -m ptm_jax --version prints the version.']
  return '\n'.join(lines)


if __name__ == '__main__':
  sys.exit(main())
