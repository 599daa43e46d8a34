"""Docstrings of Python source: parsed, never imported."""

import ast
import inspect
import re
import warnings

_SHORTEST = 40  # characters of a docstring worth keeping
_DEFINES = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings_of(source):
  """The docstrings in one file, in its order, cleaned.

  numpy and scipy attach the texts of compiled functions by calls of
  `add_newdoc`; these count as docstrings too.

  Args:
    source: text of the file.

  Returns:
    list of strings of at least 40 characters, none with two blank lines in
    succession.

  Raises:
    SyntaxError or ValueError: the source is not Python of this version.
  """
  if '"""' not in source and "'''" not in source:
    return []
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # about the file's escape sequences
    tree = ast.parse(source)
  cleaned = map(_clean, _texts(tree))
  return [text for text in cleaned if len(text) >= _SHORTEST]


def _texts(node):
  """Raw docstrings below a node; expressions are not searched, for speed."""
  if isinstance(node, (ast.Module, *_DEFINES)):
    text = ast.get_docstring(node, clean=False)
    if text:
      yield text
  elif isinstance(node, ast.Expr) and _adds_newdoc(node.value):
    strings = [part.value for argument in node.value.args
               for part in ast.walk(argument)
               if isinstance(part, ast.Constant)
               and isinstance(part.value, str)]
    yield max(strings, key=len, default='')
  for field in 'body', 'handlers', 'orelse', 'finalbody', 'cases':
    children = getattr(node, field, ())
    for child in children if isinstance(children, list) else ():
      yield from _texts(child)


def _adds_newdoc(node):
  return isinstance(node, ast.Call) and 'add_newdoc' in (
      getattr(node.func, 'id', ''), getattr(node.func, 'attr', ''))


def _clean(text):
  text = inspect.cleandoc(text).replace('\0', '')
  # A string literal can spell half a surrogate pair, which is no text.
  text = text.encode('utf8', 'replace').decode('utf8')
  lines = [line.rstrip() for line in text.splitlines()]
  return re.sub(r'\n{3,}', '\n\n', '\n'.join(lines)).strip('\n')
