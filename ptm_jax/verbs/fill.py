"""`fill`: blanks of a text, filled by a run that saw texts with blanks."""

from ptm_jax.errors import ConfigError


class Verb:
  """Fills the blanks of a text: a masked run names the likeliest tokens for
  each, masked diffusion fills one after the other, and a run that writes
  (fill_in_the_middle, blank_infilling, span_corruption, denoising) puts in as
  many tokens as it takes."""

  takes_config = False
  flags = {
      'checkpoint': ('', 'folder of the run'),
      'text': ('', "text with blanks, such as 'returns the [MASK] of a list'"),
      'blank': ('[MASK]', 'how the text shows a blank'),
      'top': (5, 'tokens that a masked run names for each'),
      'steps': (0, 'in which masked diffusion fills them; 0: one for each'),
      'temperature': (0.0, 'of its draws; 0 takes the likeliest token'),
      'seed': (0, 'of its draws'),
      'max_tokens': (32, 'that a run which writes may write at once'),
      'beam': (4, 'candidates that it keeps'),
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
    for name in 'max_tokens', 'beam':
      if getattr(flags, name) < 1:
        raise ConfigError(f'--{name}={getattr(flags, name)}: at least 1')
    if flags.steps < 0 or flags.temperature < 0:
      raise ConfigError(f'--steps={flags.steps} --temperature='
                        f'{flags.temperature}: neither may be negative')
    from ptm_jax import setup_jax
    setup_jax.configure()
    from ptm_jax.generation import beam, filling, sampling
    from ptm_jax.load import load_with_tokenizer
    from ptm_jax.objectives import masked_diffusion
    # What fills a blank begins with the space before it.
    parts = [part.removesuffix(' ') for part in parts[:-1]] + parts[-1:]
    run = load_with_tokenizer(flags.checkpoint)
    if filling.writes(run.objective):
      _, whole = filling.infill(run, parts, flags.max_tokens,
                                beam.Search(flags.beam))
      print(whole)
    elif isinstance(run.objective, masked_diffusion.Objective):
      found = filling.unmask(
          run, parts, flags.steps or None,
          sampling.Sampling(temperature=flags.temperature), flags.seed)
      print(''.join(piece for pair in zip(parts, [*found, ''])
                    for piece in pair))
    else:
      for number, found in enumerate(filling.fill(run, parts, flags.top), 1):
        print(f'blank {number}: ' + '  '.join(
            f'{text!r} {chance:.3f}' for text, chance in found))
