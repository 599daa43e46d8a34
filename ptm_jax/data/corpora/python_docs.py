"""The embedded corpus: docstrings of Python's standard library and of
installed packages. Real technical English on every machine, no download.

Sources are parsed, never imported. One document per module, in the order of
package and path. The scan is kept under a hash of the packages' versions.
"""

import ast
import collections
import contextlib
import dataclasses
import gzip
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import os
import pathlib
import platform
import re
import sysconfig
import warnings
import zlib

from ptm_jax import config
from ptm_jax.data.documents import Document, cache_dir
from ptm_jax.errors import DataError
from ptm_jax.progress import bar

STDLIB = 'stdlib'
# Distribution -> importable name; all of them come with the required packages.
PACKAGES = {
    'numpy': 'numpy', 'scipy': 'scipy', 'jax': 'jax', 'flax': 'flax',
    'optax': 'optax', 'orbax-checkpoint': 'orbax', 'matplotlib': 'matplotlib',
    'absl-py': 'absl', 'ml_collections': 'ml_collections', 'grain': 'grain',
    'rich': 'rich', 'etils': 'etils', 'pillow': 'PIL',
    'tensorstore': 'tensorstore', 'sentencepiece': 'sentencepiece',
    'safetensors': 'safetensors', 'tensorboardX': 'tensorboardX',
    'fonttools': 'fontTools', 'Pygments': 'pygments', 'msgpack': 'msgpack'}
_SKIPPED = {'test', 'tests', 'testing', '_test', 'idlelib', 'site-packages',
            'dist-packages', '__pycache__', 'lib2to3', 'conformance_tests',
            'baseline_images', '_vendor', 'pydoc_data'}
_BETWEEN = '\n\n\n'  # between two docstrings; none holds two blank lines
_SHORTEST = 40  # characters of a docstring worth keeping
_FORMAT = 1
_KINDS = {ast.Module: 'module', ast.ClassDef: 'class',
          ast.FunctionDef: 'function', ast.AsyncFunctionDef: 'function'}


@dataclasses.dataclass
class Corpus(config.Component):
  """Docstrings of the standard library and of the required packages.

  Attributes:
    packages: distributions to read besides the standard library.
  """

  packages: tuple[str, ...] = tuple(PACKAGES)

  def validate(self):
    unknown = set(self.packages) - set(PACKAGES)
    if unknown:
      raise config.ConfigError(
          f'corpus.packages names {sorted(unknown)}; known are '
          f'{", ".join(PACKAGES)}')

  def versions(self):
    """Versions of Python and of the installed ones among the packages."""
    found = {'python': platform.python_version()}
    for name in self.packages:
      try:
        found[name] = importlib.metadata.version(name)
      except importlib.metadata.PackageNotFoundError:
        continue
    return found

  def fingerprint(self):
    """Hash of what decides the documents: the versions and this format."""
    return hashlib.blake2b(json.dumps(
        [_FORMAT, self.versions()]).encode(), digest_size=16).hexdigest()

  def documents(self):
    """Yields one `Document` per module with docstrings."""
    path = cache_dir() / 'python_docs' / f'{self.fingerprint()}.jsonl.gz'
    documents = _read(path)
    if not documents:
      _write(path, group(list(self._scan())))
      documents = _read(path)
    yield from documents

  def entities(self):
    """Identifiers of the documented modules: their own names, and those of
    the public classes and functions that they define. Kept like the scan."""
    path = cache_dir() / 'python_docs' / f'{self.fingerprint()}.names.json'
    with contextlib.suppress(OSError, ValueError):
      return json.loads(path.read_text())
    names = {name for source, root, file in self._modules()
             for name in identifiers_of(file, source, root)}
    with _replacing(path) as temporary:
      temporary.write_text(json.dumps(sorted(names)))
    return sorted(names)

  def kinds(self):
    """What each docstring describes, `{digest: 'module', 'class' or
    'function'}`; one that describes several is left out. Kept like the scan.
    """
    path = cache_dir() / 'python_docs' / f'{self.fingerprint()}.kinds.json'
    with contextlib.suppress(OSError, ValueError):
      return json.loads(path.read_text())
    found = {}
    for _, _, file in self._modules():
      for node in _nodes(file):
        kind = _KINDS.get(type(node))
        text = kind and _clean(ast.get_docstring(node, clean=False) or '')
        if text and found.setdefault(digest(text), kind) != kind:
          found[digest(text)] = None
    found = {key: kind for key, kind in found.items() if kind}
    with _replacing(path) as temporary:
      temporary.write_text(json.dumps(found))
    return found

  def _modules(self):
    """Yields each module's source, the folder of its package and its path."""
    roots = [(STDLIB, pathlib.Path(sysconfig.get_path('stdlib')))]
    for name in self.versions():
      if name != 'python':
        roots.extend((PACKAGES[name], root)
                     for root in _folders(PACKAGES[name]))
    for source, root in roots:
      for path in _python_files(root):
        yield source, root, path

  def _scan(self):
    with bar('looking for docstrings', unit='files') as advance:
      for source, root, path in self._modules():
        text = _BETWEEN.join(docstrings_of(path))
        advance(1)
        if text:
          name = f'{source}/{path.relative_to(root).as_posix()}'
          yield Document(name, text, source)


def digest(text):
  """A short hash of a docstring."""
  return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def docstrings(document):
  """The single docstrings of a document, a list of strings."""
  return document.text.split(_BETWEEN)


def _folders(name):
  try:
    spec = importlib.util.find_spec(name)
  except (ImportError, ValueError):
    return []
  return [pathlib.Path(place) for place in
          (spec.submodule_search_locations or [])] if spec else []


def _python_files(root):
  """Python files below `root` in a fixed order, without tests."""
  for folder, names, files in os.walk(root):
    names[:] = sorted(name for name in names if name not in _SKIPPED)
    for name in sorted(files):
      if name.endswith('.py') and not re.match(r'(test_.*|.*_test)\.py', name):
        yield pathlib.Path(folder) / name


def docstrings_of(path):
  """Docstrings in one source file, in its order, cleaned.

  numpy and scipy attach the texts of compiled functions by calls of
  `add_newdoc`; these count as docstrings too.
  """
  found = []
  for node in _nodes(path):
    text = None
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef,
                         ast.AsyncFunctionDef)):
      text = ast.get_docstring(node, clean=False)
      line = getattr(node, 'lineno', 0)
    elif (isinstance(node, ast.Call) and 'add_newdoc' in
          (getattr(node.func, 'id', ''), getattr(node.func, 'attr', ''))):
      strings = [part.value for argument in node.args
                 for part in ast.walk(argument)
                 if isinstance(part, ast.Constant)
                 and isinstance(part.value, str)]
      text, line = max(strings, key=len, default=None), node.lineno
    if text:
      cleaned = _clean(text)
      if len(cleaned) >= _SHORTEST:
        found.append((line, cleaned))
  return [text for _, text in sorted(found, key=lambda pair: pair[0])]


def identifiers_of(path, source, root):
  """Dotted name of a documented module, and its public classes' and
  functions' names; short ones are left out."""
  nodes = _nodes(path)
  if not nodes:
    return
  parts = list(path.relative_to(root).with_suffix('').parts)
  if source != STDLIB:
    parts.insert(0, source)
  if parts[-1] == '__init__':
    parts.pop()
  yield '.'.join(parts)
  for node in nodes:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef,
                         ast.AsyncFunctionDef)):
      if len(node.name) > 2 and not node.name.startswith('_'):
        yield node.name


def _nodes(path):
  """The syntax of a module that may have docstrings, a list of nodes; empty
  where there are none or it cannot be parsed."""
  source = path.read_text(encoding='utf8', errors='replace')
  if '"""' not in source and "'''" not in source:
    return []
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')
      return list(ast.walk(ast.parse(source)))
  except (SyntaxError, ValueError, RecursionError):
    return []


def _clean(text):
  text = inspect.cleandoc(text).replace('\0', '')
  text = text.encode('utf8', 'replace').decode('utf8')
  lines = [line.rstrip() for line in text.splitlines()]
  return re.sub(r'\n{3,}', '\n\n', '\n'.join(lines)).strip('\n')


def group(documents, share=0.2, common=30):
  """Gives near-duplicates one group, so that a split holds all of them.

  Two documents are joined if paragraphs of at least 80 characters that they
  have in common make up `share` of the shorter one; paragraphs that more
  than `common` documents hold (licences, boilerplate) do not count.

  Args:
    documents: list of `Document`.
    share: fraction of the shorter document's characters.
    common: documents.

  Returns:
    The documents in their order, each with its group.
  """
  holders = collections.defaultdict(set)
  sizes = {}
  for number, document in enumerate(documents):
    for paragraph in document.text.split('\n\n'):
      words = ' '.join(paragraph.split())
      if len(words) >= 80:
        digest = hashlib.blake2b(words.encode(), digest_size=8).digest()
        holders[digest].add(number)
        sizes[digest] = len(words)
  shared = collections.Counter()
  for digest, members in holders.items():
    if 2 <= len(members) <= common:
      members = sorted(members)
      for i, first in enumerate(members):
        for second in members[i + 1:]:
          shared[first, second] += sizes[digest]
  parent = list(range(len(documents)))

  def root(number):
    while parent[number] != number:
      parent[number] = parent[parent[number]]
      number = parent[number]
    return number

  for (first, second), size in shared.items():
    shorter = min(len(documents[first].text), len(documents[second].text))
    if size >= share * shorter:
      parent[root(second)] = root(first)
  return [document._replace(group=documents[root(number)].text)
          if root(number) != number else document
          for number, document in enumerate(documents)]


def _read(path):
  """The kept scan; an empty list where there is none or it is damaged."""
  try:
    with gzip.open(path, 'rt', encoding='utf8') as file:
      return [Document(*json.loads(line)) for line in file]
  except (OSError, EOFError, ValueError, TypeError, zlib.error):
    return []


def _write(path, documents):
  """Keeps the scan; groups are written as hashes of their first text."""
  if not documents:
    raise DataError('python_docs found no docstring on this machine')
  with _replacing(path) as temporary, gzip.open(
      temporary, 'wt', encoding='utf8', compresslevel=3) as file:
    for document in documents:
      key = hashlib.blake2b((document.group or document.text).encode(),
                            digest_size=16).hexdigest()
      file.write(json.dumps(document._replace(group=key)) + '\n')


@contextlib.contextmanager
def _replacing(path):
  """A file to write that becomes `path` in one go."""
  temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    yield temporary
    temporary.replace(path)
  except OSError as error:
    raise DataError(f'cannot write the cache {path.parent}: {error.strerror}; '
                    'set PTM_JAX_CACHE') from error
