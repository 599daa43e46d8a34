"""Fields of `config.Model` whose None stands for what other fields say."""

import dataclasses

_MEANING = {
    'num_kv_heads': lambda model: model.num_heads,
    'head_dim': lambda model: model.width // model.num_heads,
    'embedding_width': lambda model: model.width,
    'qkv_bias': lambda model: model.use_bias,
    'output_bias': lambda model: model.use_bias,
    'mlp_dim': lambda model: 4 * model.width}


def canonical(model):
  """A copy whose optional fields are None where they say what None does; but
  `mlp_dim` is always a number."""
  model = dataclasses.replace(model, mlp_dim=resolved(model, 'mlp_dim'))
  return dataclasses.replace(model, **{
      name: None for name, meaning in _MEANING.items()
      if name != 'mlp_dim' and getattr(model, name) == meaning(model)})


def resolved(model, name):
  """A field's value, with what None stands for."""
  value = getattr(model, name)
  if value is None and name in _MEANING:
    return _MEANING[name](model)
  return value
