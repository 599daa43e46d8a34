"""Sizes that are the same everywhere, and the argument of experiment files.

`--config=experiments/bert.py:tiny,corpus=text` calls `get_config` with
'tiny,corpus=text': a size, and the *kinds* of components by name, where a
source's name stands for a corpus of it. Their fields are flags.
"""

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.find import find, names

SIZES = ('base', 'small', 'tiny')
_KINDS = {'corpus': 'corpora', 'objective': 'objectives'}


def parse(argument, sizes=SIZES, kinds=tuple(_KINDS)):
  """Splits the argument of `get_config`.

  Args:
    argument: such as 'tiny,corpus=text'; None or '' is the first size.
    sizes: the sizes that the experiment has, the default first.
    kinds: which components may be chosen.

  Returns:
    the size, and `{kind: component}` with default fields.

  Raises:
    ConfigError: a part is neither; the message names the nearest.
  """
  chosen, components = [], {}
  for part in filter(None, (argument or '').split(',')):
    kind, equals, name = part.partition('=')
    if kind in components or chosen and part in sizes:
      raise ConfigError(f'{argument!r} chooses twice: keep one of its sizes '
                        'and one of each kind')
    if not equals and part in sizes:
      chosen.append(part)
    elif equals and kind in kinds:
      components[kind] = _component(kind, name)
    else:
      known = [*sizes, *(f'{kind}=NAME' for kind in kinds)]
      raise ConfigError(f'unknown part {part!r} after the experiment\'s name: '
                        f'there are {", ".join(known)}'
                        f'{checks.nearest(part, known)}')
  return (chosen or sizes)[0], components


def _component(kind, name):
  """A component with default fields; a source's name is its corpus."""
  if kind == 'corpus' and name in names('sources'):
    return find('corpora', 'source')(find('sources', name)())
  return find(_KINDS[kind], name)()


def shrink(experiment, size):
  """Gives an experiment one of the house's sizes; 'base' stays as it is.

  The kind of the model stays (norms, positions, activation), its size and
  the run's change. Initial weights grow as sqrt(1 / width), which leaves
  states as large as at the published width: with its 0.02 a narrow model
  stays at the unigram loss for thousands of updates. `tiny` runs every path
  in under 20 seconds on a core, `small` learns something in about 5 minutes on
  two.

  Args:
    experiment: `config.Experiment`; changed in place.
    size: of `SIZES`.

  Returns:
    `experiment`.
  """
  if size == 'base':
    return experiment
  tiny = size == 'tiny'
  model, data = experiment.model, experiment.data
  model.depth, model.mlp_dim, model.embedding_width = 2, None, None
  published, model.width = model.width, 64 if tiny else 128
  model.init_scale *= (published / model.width)**0.5
  model.num_heads = 2 if tiny else 4
  model.num_kv_heads, model.dropout, model.attention_dropout = None, 0.0, 0.0
  data.raw_length, data.batch_size = (64, 16) if tiny else (128, 32)
  model.max_length = max(model.max_length, data.raw_length + 3)
  experiment.tokenizer.kind = 'bpe'  # a second to train instead of a minute
  experiment.tokenizer.vocab_size = 512 if tiny else 4096
  experiment.num_steps = 50 if tiny else 1000
  optimizer = experiment.optimizer
  optimizer.name, optimizer.schedule = 'adamw', 'linear'
  optimizer.learning_rate, optimizer.b2, optimizer.clip_norm = 2e-3, 0.98, 1.0
  optimizer.warmup_steps = experiment.num_steps // 10
  experiment.evaluation.num_batches = 4 if tiny else 16
  experiment.evaluation.every_steps = experiment.num_steps // 2
  experiment.checkpoints.every_steps = experiment.num_steps // 2
  experiment.log_every_steps = 5 if tiny else 20
  return experiment
