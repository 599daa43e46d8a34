"""Evaluation without a program of its own."""

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval


def eager(function, *arguments):
  """`function(*arguments)`, its operations one by one; those that do not
  reach the result are left out, as in a compiled program.

  Initial parameters come so in a tenth of the time: random draws of one shape
  are compiled once for all tests, and a network's pass over its inputs, which
  only tells their shapes, never.

  Args:
    function: arrays -> a tree of arrays, as for `jax.jit`.
    *arguments: trees of arrays.
  """
  traced, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
  program, used = partial_eval.dce_jaxpr(
      traced.jaxpr, [True] * len(traced.jaxpr.outvars))
  leaves = [leaf for leaf, is_used in zip(
      jax.tree.leaves(arguments), used, strict=True) if is_used]
  found = jax.core.eval_jaxpr(program, traced.consts, *leaves)
  shapes, tree = jax.tree.flatten(shapes)
  return jax.tree.unflatten(tree, [  # a literal is no array yet
      one if isinstance(one, jax.Array) else jnp.asarray(one, shape.dtype)
      for one, shape in zip(found, shapes, strict=True)])
