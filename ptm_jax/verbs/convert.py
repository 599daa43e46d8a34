"""`convert`: a published model into one of ours, or a run into a published
model."""

from ptm_jax.errors import ConfigError


class Verb:
  """Converts a published folder to one of ours, or a run to a published
  folder; what --source holds says which."""

  takes_config = False
  flags = {
      'source': ('', 'a published folder (config.json, model.safetensors), a '
                     'work directory, or what this verb made'),
      'target': ('', 'the folder to write, which must not be there yet'),
      'family': ('', 'published family to write; without it the one it came '
                     'from, or the first that fits'),
      'network': ('trunk', "which to write of a run: 'trunk' with its heads, "
                           "ELECTRA's 'generator', or the 'encoder' alone of "
                           'an encoder-decoder'),
      'sentence_transformers': (False, 'write the encoder without heads, as '
                                       'sentence-transformers reads it, with '
                                       'the mean of the states, or as it was '
                                       'published'),
      'check': (False, 'also run the model there and here on one text and '
                       'print the largest difference of logits; needs the '
                       'extra peers'),
  }

  @staticmethod
  def run(flags):
    for name in 'source', 'target':
      if not getattr(flags, name):
        raise ConfigError(f'--{name} is missing: name a folder')
    if flags.network not in ('trunk', 'generator', 'encoder'):
      raise ConfigError(f'--network={flags.network} is none of trunk, '
                        'generator and encoder')
    from ptm_jax import setup_jax
    setup_jax.configure()
    from ptm_jax.convert import export, folder, importing, pooled, published
    from ptm_jax.load import load
    folder.refuse_existing(flags.target)
    if flags.check:
      from ptm_jax.convert import check
      check.need_peers()
    if published.is_one(flags.source):
      if flags.family:
        raise ConfigError('--family is for writing a published folder, and '
                          f'{flags.source} is one')
      importing.write(published.open_folder(flags.source), flags.target)
    else:
      run = load(flags.source)
      if flags.network == 'generator':
        run = export.generator_of(run)
      elif flags.network == 'encoder' or export.reads_encoder(run):
        print('without the decoder, of which no state is asked for')
        run = export.encoder_of(run)
      form = run.objective.model.form
      if flags.sentence_transformers and form != 'encoder':
        raise ConfigError('--sentence_transformers is for encoders, and '
                          f'{flags.source} is a {form}')
      encoder = run.encoder or pooled.Pooled()
      bare = flags.sentence_transformers or run.encoder and not run.finetune
      made = export.plan(run, flags.family, run.published, bool(bare))
      export.write(run, made, flags.target, source=flags.source,
                   encoder=encoder if bare else None)
    if flags.check:
      run, peer = ((load(flags.target), flags.source)
                   if published.is_one(flags.source) else (run, flags.target))
      print('largest difference of logits, of their largest: '
            f'{check.difference(run, peer):.1e}')
