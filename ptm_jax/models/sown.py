"""What the layers of a stack sowed as `intermediates`."""


def attention_maps(stack):
  """The self attention weights of a stack's layers.

  Args:
    stack: the intermediates of one `Stack`: `intermediates['stack']` of a
      `Trunk`, or `['encoder']` of an `EncoderDecoder`.

  Returns:
    A list with float32 `[batch, heads, query, key]` for each layer.
  """
  return _by_layer(stack, lambda layer: layer['attention']['weights'], 4)


def entering_states(stack):
  """What enters each of a stack's layers; the embeddings are the first.

  Args:
    stack: as for `attention_maps`.

  Returns:
    A list with `[batch, length, width]` for each layer.
  """
  return _by_layer(stack, lambda layer: layer['entering'], 3)


def _by_layer(stack, pick, rank):
  """What the layers sowed, in their order, be they unrolled, scanned or
  shared."""
  names = [name for name in ('layer', 'layers') if name in stack]
  names = names or [f'layer_{index}' for index in range(len(stack))]
  found = []
  for name in names:
    for value in pick(stack[name]):
      found.extend(value if value.ndim > rank else [value])
  return found
