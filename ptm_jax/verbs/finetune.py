"""`finetune`: a trunk and a task."""

import dataclasses

from ptm_jax.errors import ConfigError
from ptm_jax.finetune_config import Settings

_HELP = {
    'task': 'its name, or several to mix, as cola,sst2; see `list tasks`',
    'data_dir': "folder of the task's published files, of several as many with "
                'commas; none for embedded ones',
    'way': 'full, lora, prefix, layer_prefix, or of a frozen trunk probe or '
           'mlp_probe',
    'seeds': 'trials, with seeds 0, 1, ...',
    'epochs': 'passes over the training data',
    'batch_size': 'rows in an update',
    'learning_rate': 'at its peak',
    'weight_decay': 'decoupled',
    'warmup': 'share of the updates in which the learning rate rises',
    'max_length': 'tokens of a row, special ones included',
    'max_train': 'training examples at most; 0: all',
    'max_test': 'test examples at most; 0: all',
    'pooling': 'mean, first or last: the state that stands for a text; pooler: '
               'the first (of XLNet the last), through a dense layer; decoder: '
               'the last of the decoder, through the same; published classifiers have pooler, '
               'of decoders last, of encoder-decoders decoder',
    'layer_decay': 'factor of the learning rate for each layer further down',
    'layer_warmup': 'how much longer each layer further down warms up',
    'lora_rank': "of LoRA's matrices",
    'prefix_length': 'vectors in front of the text, of the ways prefix (at the '
                     'input) and layer_prefix (at every layer)',
    'answer_length': 'tokens of an answer that is written, as a summary, at '
                     'most, of the max_length',
    'prompt': 'file of a prompt, which the heads of pre-training answer (see '
              "`evaluate --help`); default: the task's own",
    'from_scratch': 'start from an untrained trunk, for comparison',
    'drop_leaked': 'leave training examples out that are test examples too',
    'truncate': 'cut texts that are too long; --notruncate refuses them',
}


class Verb:
  """Fine-tunes a trunk on a task, several seeds; the same command resumes it.
  """

  takes_config = False
  flags = {
      'checkpoint': ('', "folder of the trunk's run"),
      'workdir': ('', 'folder of the fine-tuning: a folder for each seed'),
      **{field.name: (
          '' if field.default is dataclasses.MISSING else field.default,
          _HELP[field.name]) for field in dataclasses.fields(Settings)},
      'evaluate': (False, 'score the fine-tuned --checkpoint, the folder of a '
                   'seed, as it is; on --data_dir, or again'),
      'write_text': ('', 'only write the task into this folder, as lines to '
                     'read and lines to write'),
      'score_text': ('', 'only score this file, a line written for each test '
                     'example')}

  @staticmethod
  def run(flags):
    needed = (('task',) if flags.write_text or flags.score_text else
              ('checkpoint',) if flags.evaluate else
              ('checkpoint', 'task', 'workdir'))
    for name in needed:
      if not getattr(flags, name):
        raise ConfigError(f'--{name} is missing')
    from ptm_jax import setup_jax
    setup_jax.configure()
    from ptm_jax import finetune
    settings = Settings(**{field.name: getattr(flags, field.name)
                           for field in dataclasses.fields(Settings)})
    if flags.write_text:
      finetune.write_text(settings, flags.write_text)
      return
    if flags.evaluate or flags.score_text:
      found = (finetune.score_text(settings, flags.score_text)
               if flags.score_text else
               finetune.evaluate(flags.checkpoint, flags.data_dir))
      for name, value in found.items():
        print(f'{name}: {value:.4f}')
      return
    results = finetune.finetune(flags.checkpoint, settings, flags.workdir)
    for name, one in results['estimates'].items():
      width = one['half_width']
      print(f'{settings.task}/{name}: {one["mean"]:.4f}'
            + (f' ± {width:.4f}' if width is not None else '')
            + (f' (the same answer to all: {results["constant"][name]:.4f})'
               if results['constant'] else ''))
    for warning in results['warnings']:
      print(warning)
    print(f'report: {flags.workdir}/report.html')
