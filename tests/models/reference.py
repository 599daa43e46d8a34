"""A Transformer in numpy and plain loops, to compare the models with.

Written from the papers, for one example at a time, in double precision; it
shares no code with the package.
"""

import math

import numpy as np


def transformer(settings, params, row, form):
  """States `[length, width]` of one example of a `Trunk`."""
  table = params['token_embedding']['embedding']
  x = _inputs(settings, params.get('inputs'), table, row)
  visible = _self_visible(row['segment_ids'], form,
                          row.get('prefix_length', 0))
  bias = _bias(settings, params.get('relative_bias'), row['positions'],
               form != 'decoder')
  return _stack(settings, params['stack'], settings.depth, x,
                row['positions'], visible, bias)


def encoder_decoder(settings, params, row):
  """States `[target length, width]` of one example of an `EncoderDecoder`."""
  table = params['token_embedding']['embedding']
  sides = {side: {name[8:]: value for name, value in row.items()
                  if name.startswith(side)} for side in ('encoder', 'decoder')}
  encoded, cross = None, None
  for side, form in ('encoder', 'encoder'), ('decoder', 'decoder'):
    one = sides[side]
    x = _inputs(settings, params.get(f'{side}_inputs'), table, one)
    segments = one['segment_ids']
    bias = _bias(settings, params.get(f'{side}_bias'), one['positions'],
                 side == 'encoder')
    if side == 'decoder':
      others = sides['encoder']['segment_ids']
      cross = [[q == k and q > 0 for k in others] for q in segments]
    encoded = _stack(
        settings, params[side], settings.depth // 2, x, one['positions'],
        _self_visible(segments, form, 0), bias, encoded, cross)
  return encoded


def _inputs(settings, params, table, row):
  """Sum of the embeddings, for each position."""
  width = table.shape[1]
  states = []
  for index, token in enumerate(row['inputs']):
    x = table[token].astype(np.float64)
    if 'offset' in row:
      x = x + row['offset'][index]
    if settings.scale_embeddings:
      x = x * math.sqrt(settings.width)
    position = row['positions'][index]
    if settings.positions == 'learned':
      x = x + params['position_embedding']['embedding'][position]
    if settings.positions == 'sinusoidal':
      rates = [10000 ** (-i / (width // 2)) for i in range(width // 2)]
      x = x + np.array([math.sin(position * rate) for rate in rates]
                       + [math.cos(position * rate) for rate in rates])
    if settings.num_token_types:
      kind = row['token_types'][index] if 'token_types' in row else 0
      x = x + params['token_type_embedding']['embedding'][kind]
    if settings.embedding_norm:
      x = _norm(settings, params['embedding_norm'], x)
    if width != settings.width:
      x = _dense(params['embedding_projection'], x)
    states.append(x)
  return np.array(states)


def _self_visible(segments, form, prefix):
  """Lists of booleans: whether query q may see key k."""
  return [[bool(segments[q] == segments[k] and segments[q] > 0 and (
      form == 'encoder' or k <= q or (form == 'prefix' and k < prefix)))
           for k in range(len(segments))] for q in range(len(segments))]


def _bias(settings, params, positions, bidirectional):
  """Function of head, query and key."""
  if settings.positions == 'alibi':
    return lambda head, q, k: -abs(int(positions[k]) - int(positions[q])) * (
        2 ** (-8 * (head + 1) / settings.num_heads))
  if settings.positions == 't5':
    return lambda head, q, k: params['embedding'][
        bucket(int(positions[k]) - int(positions[q]), bidirectional), head]
  return lambda head, q, k: 0.0


def bucket(relative, bidirectional):
  """T5's 32 buckets up to a distance of 128, as its paper describes them."""
  size, start = 32, 0
  if bidirectional:
    size = 16
    start = 16 if relative > 0 else 0
    distance = abs(relative)
  else:
    distance = max(-relative, 0)
  if distance < size // 2:
    return start + distance
  share = math.log(distance / (size // 2)) / math.log(128 / (size // 2))
  return start + min(size - 1, size // 2 + int(share * (size - size // 2)))


def _stack(settings, params, depth, x, positions, visible, bias, encoded=None,
           cross=None):
  for index in range(depth):
    layer = params['layer' if settings.share_layers else f'layer_{index}']
    rotary = positions if settings.positions == 'rotary' else None
    x = _sublayer(settings, layer['attention_norm'], x, lambda y: _attention(
        settings, layer['attention'], y, y, visible, bias, rotary))
    if cross is not None:
      x = _sublayer(settings, layer['cross_attention_norm'], x,
                    lambda y: _attention(
                        settings, layer['cross_attention'], y, encoded, cross,
                        lambda *_: 0.0, None))
    x = _sublayer(settings, layer['mlp_norm'], x, lambda y: np.array(
        [_mlp(settings, layer['mlp'], one) for one in y]))
  if settings.norm_position == 'pre':
    x = np.array([_norm(settings, params['final_norm'], one) for one in x])
  return x


def _sublayer(settings, norm, x, function):
  if settings.norm_position == 'pre':
    return x + function(np.array([_norm(settings, norm, one) for one in x]))
  return np.array([_norm(settings, norm, one) for one in x + function(x)])


def _attention(settings, params, x, context, visible, bias, positions):
  heads = settings.num_heads
  group = heads // (settings.num_kv_heads or heads)
  size = settings.width // heads
  def project(name, states):
    return [_dense(params[name], one) for one in states]  # [heads, size]
  query, key = project('query', x), project('key', context)
  value = project('value', context)
  if positions is not None:
    query, key = ([[_turn(head, position) for head in one]
                   for one, position in zip(states, positions)]
                  for states in (query, key))
  output = np.zeros((len(x), heads, size))
  for q in range(len(x)):
    seen = [k for k in range(len(context)) if visible[q][k]]
    if not seen:
      continue
    for head in range(heads):
      scale = 1 / math.sqrt(size) if settings.scale_attention else 1.0
      scores = np.array([scale * np.dot(query[q][head], key[k][head // group])
                         + bias(head, q, k) for k in seen])
      weights = np.exp(scores - scores.max())
      weights /= weights.sum()
      output[q, head] = sum(weight * value[k][head // group]
                            for weight, k in zip(weights, seen))
  return np.array([_dense(params['output'], one, 2) for one in output])


def _turn(vector, position):
  """Rotates the pairs (i, i + half) by position * 10000**(-i / half)."""
  half = len(vector) // 2
  turned = np.zeros(len(vector))
  for i in range(half):
    angle = position * 10000 ** (-i / half)
    a, b = vector[i], vector[i + half]
    turned[i] = a * math.cos(angle) - b * math.sin(angle)
    turned[i + half] = a * math.sin(angle) + b * math.cos(angle)
  return turned


def _mlp(settings, params, x):
  hidden = _dense(params['up'], x)
  function = {'gelu': _gelu, 'gelu_tanh': _gelu_tanh, 'geglu': _gelu_tanh,
              'relu': lambda h: max(h, 0.0), 'silu': _silu,
              'swiglu': _silu}[settings.activation]
  hidden = np.array([function(one) for one in hidden])
  if settings.activation in ('swiglu', 'geglu'):
    hidden = hidden * _dense(params['value'], x)
  return _dense(params['down'], hidden)


def _gelu(x):
  return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def _gelu_tanh(x):
  return 0.5 * x * (1 + math.tanh(
      math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _silu(x):
  return x / (1 + math.exp(-x))


def _norm(settings, params, x):
  if settings.norm == 'layer':
    x = x - x.mean()
  y = x / math.sqrt((x**2).mean() + 1e-6) * params['scale']
  return y + params['bias'] if 'bias' in params else y


def _dense(params, x, inputs=1):
  y = np.tensordot(x, params['kernel'].astype(np.float64), inputs)
  return y + params['bias'] if 'bias' in params else y
