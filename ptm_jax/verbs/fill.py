"""`fill`: blanks of a text, filled by a masked run."""

from ptm_jax.errors import ConfigError


class Verb:
  """Names the likeliest tokens for every blank of a text."""

  takes_config = False
  flags = {
      'checkpoint': ('', 'folder of the run'),
      'text': ('', "text with blanks, such as 'returns the [MASK] of a list'"),
      'blank': ('[MASK]', 'how the text shows a blank'),
      'top': (5, 'tokens to name for each'),
  }

  @staticmethod
  def run(flags):
    if not flags.checkpoint:
      raise ConfigError('--checkpoint is missing: name the folder of a run')
    if not flags.blank or flags.top < 1:
      raise ConfigError(f'--blank={flags.blank!r} --top={flags.top}: a blank '
                        'has characters, and at least 1 token is named')
    parts = flags.text.split(flags.blank)
    if len(parts) < 2:
      raise ConfigError(f'--text={flags.text!r} has no {flags.blank}: write it '
                        'where a token is to be filled in')
    from ptm_jax import setup_jax
    setup_jax.configure()
    from ptm_jax.generation import filling
    from ptm_jax.load import load
    # One token fills a blank, with the space before it.
    parts = [part.removesuffix(' ') for part in parts[:-1]] + parts[-1:]
    for number, found in enumerate(filling.fill(
        load(flags.checkpoint), parts, flags.top), 1):
      print(f'blank {number}: ' + '  '.join(
          f'{text!r} {chance:.3f}' for text, chance in found))
