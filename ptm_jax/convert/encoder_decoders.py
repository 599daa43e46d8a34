"""What published encoder-decoders have in common: the token that the decoder
starts from, and the heads of tasks, which read the decoder's states.

Reference: Lewis et al. 2020, arXiv:1910.13461, section 3.1.
"""

from ptm_jax.convert.architecture import TASKS, Architecture
from ptm_jax.errors import ConfigError

_FORM = 'encoder_decoder'
_START = 'decoder_start_token_id'


def rewriter(objective, kind, tables, shared):
  """The architecture that writes, its table that of tokens.

  Args:
    objective: of the trunk.
    kind: class of objectives that it fits.
    tables: names of tensors that are the table of tokens too.
    shared: of that table.
  """
  return Architecture(
      objective, (kind,), {'head/table': 'lm_head.weight'},
      aliases=dict.fromkeys([*tables, 'lm_head.weight'], shared), form=_FORM)


def readers(name, objective, tables, shared, trunk_of_sequence=None, prefix=''):
  """Those that write nothing: classifiers of texts, question answering and the
  bare trunk.

  Args:
    name: of the family, as the classes' names begin.
    objective, tables, shared: as of `rewriter`.
    trunk_of_sequence: the trunk's names where those of a classifier of texts
      differ, by `prefix` in front.
    prefix: of these.
  """
  heads = {
      'sequence': {**(trunk_of_sequence or {}),
                   'task/pooler/dense': 'classification_head.dense',
                   'task/head': 'classification_head.out_proj'},
      'span': {'task/head': 'qa_outputs'}}
  return {
      **{f'{name}For{TASKS[task]}': Architecture(
          objective, names=names, aliases={
              before + one: before + shared for one in tables},
          form=_FORM, task=task, decodes=True)
         for task, names, before in (
             ('sequence', heads['sequence'], prefix),
             ('span', heads['span'], ''))},
      f'{name}Model': Architecture(
          objective, aliases=dict.fromkeys(tables, shared), form=_FORM)}


def read_start(values, model, default):
  """Puts what `config.json` starts a decoder from into `model`, `default`
  where it does not say."""
  start, model.decoder_start = values.get(_START), default
  if start is None:
    return
  for role in dict.fromkeys((default, 'bos', 'eos', 'pad')):
    if values.get(f'{role}_token_id') == start:
      model.decoder_start = role
      return
  raise ConfigError(f'config.json has {_START}={start!r:.80}, which is none of '
                    'its bos_token_id, eos_token_id and pad_token_id')


def start(model, vocabulary):
  """The same for `config.json`."""
  return {_START: vocabulary.id_of(model.decoder_start)}
