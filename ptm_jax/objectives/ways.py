"""Ways to score a text: what an objective that can do it gives in `ways`.

A way asks about a text in one or several copies. In a copy each token has a
rank, 0 where it is shown and above 0 where it is hidden (and, of two hidden
tokens, the one of the lower rank is known first), and a factor, with which its
negative log-likelihood enters the score, 0 where it is not asked for. The
objective makes an example of each copy, and its own loss gives the nats.
"""

import functools
from typing import Any, Callable, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# What the sum of nats over a text's tokens is, the strongest first: minus its
# log-likelihood; no less than that in the mean; a sum of conditionals that is
# no likelihood of the text; a score that is not normalised at all.
KINDS = ('likelihood', 'bound', 'pseudo', 'energy')


class Way(NamedTuple):
  """One way to score a text.

  Attributes:
    kind: of `KINDS`.
    says: what the number is, for reports.
    copies: `(count, context, starts) -> ranks, factors`: of a text of `count`
      tokens whose first `context` are given, with bool `[count]` of where its
      words start; int32 and float32 `[copies, count]`. In numpy.
    example: `(window, rank, factor) -> example, origins`: one copy as the
      loss takes it, and for each term which token of the window each of its
      predictions is about, int32; -1 for none. Pure `jax.numpy`.
    loss: `(params, batch) -> {term: losses.Term}`.
    few: whether `example` takes a number first, static: how many tokens a copy
      asks for at most, None for all.
  """

  kind: str
  says: str
  copies: Callable
  example: Callable
  loss: Callable[[Any, Any], Any]
  few: bool = False

  def end(self, count, behind):
    """Up to which of a text's `count` tokens it asks, if `behind` of them, the
    last ones, stand behind what is scored.

    A likelihood asks for these too: what it makes of both ranks what is scored
    as if they were given, by Bayes' rule. The other kinds see both sides.
    """
    return count if self.kind == 'likelihood' else count - behind


def nats(way, params, tokens, counts, ranks, factors, most=None):
  """What each copy says of its text.

  Args:
    way: `Way`.
    params: by network.
    tokens: int32 `[rows, length]`, the texts.
    counts: int32 `[rows]`, their tokens.
    ranks, factors: `[rows, length]`, of `way.copies`.
    most: static, that a copy asks for at most; None for all its tokens.

  Returns:
    nats times factors, float32 `[rows, length]`, 0 where a copy does not ask;
    and bool, where it asks and the token was not the likeliest. The nats have
    a gradient within `losses.plain`.
  """
  rows, length = tokens.shape
  index = jnp.broadcast_to(jnp.arange(length), tokens.shape)
  real = index < counts[:, None]
  windows = {
      'tokens': tokens, 'segment_ids': real.astype(jnp.int32),
      'positions': jnp.where(real, index, 0),
      'flags': jnp.zeros(tokens.shape, jnp.uint8),
      'index': jnp.arange(rows), 'epoch': jnp.zeros(rows, jnp.int32)}
  example = functools.partial(way.example, most) if way.few else way.example
  examples, origins = jax.vmap(example)(windows, ranks, factors)
  terms = way.loss(params, examples)
  found, wrong = jnp.zeros(tokens.shape), jnp.zeros(tokens.shape, bool)
  for name, origin in origins.items():
    # What is about no token of the text goes to a place that there is not.
    place = jnp.arange(rows)[:, None], jnp.where(origin < 0, length, origin)
    found = found.at[place].add(terms[name].nll / len(origins), mode='drop')
    wrong = wrong.at[place].max(~terms[name].correct, mode='drop')
  asked = factors > 0
  return jnp.where(asked, found * factors, 0), asked & wrong


def networks_read(way, params):
  """Names of the networks, of those in `params`, that a way reads."""
  tokens, one = jnp.ones((1, 4), jnp.int32), jnp.ones(1, jnp.int32)
  traced = jax.make_jaxpr(lambda params: nats(
      way, params, tokens, 4 * one, tokens, tokens.astype(jnp.float32)))(params)
  used = {id(one) for equation in traced.eqns for one in equation.invars}
  leaves = jax.tree_util.tree_leaves_with_path(params)
  return sorted({path[0].key for (path, _), variable in zip(
      leaves, traced.jaxpr.invars, strict=True) if id(variable) in used})


def once(count, context, starts):
  """One copy that asks for every token behind the context."""
  del starts
  asked = (np.arange(count) >= context)[None]
  return asked.astype(np.int32), asked.astype(np.float32)


def each(count, context, starts):
  """A copy for each token, which alone is hidden (Salazar et al. 2020,
  arXiv:1910.14659, section 2)."""
  del starts
  asked = np.eye(count)[context:]
  return asked.astype(np.int32), asked.astype(np.float32)


def each_in_word(count, context, starts):
  """As `each`, the tokens behind it in its word hidden as well (Kauf and
  Ivanova 2023, arXiv:2305.10588, section 3)."""
  ranks, factors = each(count, context, starts)
  index, word = np.arange(count), np.cumsum(starts)
  later = (word[:, None] == word) & (index[None] > index[:, None])
  return ranks | later[context:].astype(np.int32), factors


def orders(number=4):
  """Copies that know the tokens in `number` random orders, the same for all
  texts with as many tokens; their mean is the score."""

  def copies(count, context, starts):
    del starts
    rng = np.random.default_rng([count, context])
    ranks = np.zeros((number, count), np.int32)
    for rank in ranks:
      rank[context:] = 1 + rng.permutation(count - context)
    return ranks, ((ranks > 0) / number).astype(np.float32)

  return copies


def every_size(count, context, starts):
  """For each number k of the n tokens a copy that hides k, a random set that
  is the same for all texts with as many tokens, and weighs each with 1 / k:
  the mean over k of n / k times their sum, without the draw of k (Ou et al.
  2024, arXiv:2406.03736)."""
  del starts
  rng = np.random.default_rng([count, context])
  ranks = np.zeros((count - context, count), np.int32)
  for size, rank in enumerate(ranks, 1):
    rank[context + rng.permutation(count - context)[:size]] = 1
  return ranks, ranks / np.maximum(ranks.sum(1, keepdims=True), 1).astype(
      np.float32)
