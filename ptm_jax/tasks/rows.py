"""Rows out of files in the layouts in which tasks are published.

A reader is a function `(name, lines) -> (place, row) ...`: the file's name
for messages, its numbered lines, and for each example where it stands, such as
'line 3', and a dict of columns. Files may be compressed (.gz, .xz, .bz2, .zst).
"""

import csv
import json
import pathlib

from ptm_jax.data import clean, files
from ptm_jax.errors import DataError

_SUFFIXES = ('', '.gz', '.xz', '.bz2', '.zst')


def path_of(folder, name):
  """The file of a published name, plain or compressed; None if there is none.
  """
  for suffix in _SUFFIXES:
    path = pathlib.Path(folder) / (name + suffix)
    if path.is_file():
      return path
  return None


def read(path, reader):
  """The rows of one file, `[(place, dict)]`.

  Raises:
    DataError: the file cannot be read, is malformed or holds no row.
  """
  found = list(reader(str(path), lines(path)))
  if not found:
    raise DataError(f'{path} holds no example')
  return found


def lines(path):
  """Yields `(number, line)`. Lines end at a newline and nowhere else; one
  that is not UTF-8 is Latin-1, as in the older data sets."""
  with files.reading(path):
    data = b'\n'.join(stream.read() for _, stream
                      in files.members(path, clean.Report()))
  for number, line in enumerate(data.split(b'\n'), 1):
    try:
      text = line.decode('utf8')
    except UnicodeDecodeError:
      text = line.decode('latin-1')
    if number == 1:
      text = text.removeprefix('\ufeff')
    yield number, text.removesuffix('\r')


def text_of(numbered):
  """The whole text of numbered lines."""
  return '\n'.join(line for _, line in numbered)


def table(*columns, separator='\t', quoted=False, exact=False, torn=False):
  """A reader of a line a row.

  Args:
    *columns: their names; none reads them from the first line.
    separator: between two cells.
    quoted: whether cells may stand in double quotes, and then hold newlines.
    exact: whether a row with more cells than columns is an error; else these
      are not read.
    torn: whether cells may hold newlines without any quotes, so that a row
      goes on in the next line until it has all its cells.
  """

  def reader(name, numbered):
    if quoted:
      parsed = csv.reader((line + '\n' for _, line in numbered),
                          delimiter=separator)
      cells = ((parsed.line_num, row) for row in parsed)
    else:
      cells = ((number, line.split(separator)) for number, line in numbered)
    header = list(columns)
    for number, row in cells:
      if not any(row):
        continue
      if not header:
        header = row
        continue
      while torn and len(row) < len(header) and (more := next(cells, None)):
        row = [*row[:-1], f'{row[-1]} {more[1][0]}'.strip(), *more[1][1:]]
      if len(row) < len(header) or (exact or torn) and any(row[len(header):]):
        raise DataError(f'{name} line {number} has {len(row)} columns, '
                        f'{len(header)} are expected: {", ".join(header)}')
      yield f'line {number}', dict(zip(header, row))

  return reader


def headed(*columns, **options):
  """As `table` of these columns, where the file may repeat their names in a
  first line or have none."""
  plain = table(*columns, **options)

  def reader(name, numbered):
    rows = plain(name, numbered)
    for place, row in rows:
      if place != 'line 1' or tuple(row.values()) != columns:
        yield place, row

  return reader


def labelled(name, numbered):
  """A reader of 'LABEL TEXT' lines: the columns `label` and `text`."""
  for number, line in numbered:
    if not line.strip():
      continue
    label, space, text = line.partition(' ')
    if not space:
      raise DataError(f'{name} line {number} is not a label, a space and a '
                      f'text: {line!r:.80}')
    yield f'line {number}', {'label': label, 'text': text.strip()}


def whole_lines(name, numbered):
  """A reader of a text a line, the column `text`; a file may end in a newline.
  """
  del name
  found = [(f'line {number}', {'text': line}) for number, line in numbered]
  return found[:-1] if found and not found[-1][1]['text'] else found


def json_lines(name, numbered):
  """A reader of a JSON object a line; the columns of an object inside it are
  named `outer.inner`."""
  for number, line in numbered:
    if not line.strip():
      continue
    row = _json(name, number, line)
    if not isinstance(row, dict):
      raise DataError(f'{name} line {number} is not a JSON object')
    for key, value in list(row.items()):
      if isinstance(value, dict):
        row.update({f'{key}.{inner}': one for inner, one in value.items()})
    yield f'line {number}', row


def squad(name, numbered):
  """A reader of SQuAD's JSON (Rajpurkar et al. 2016, arXiv:1606.05250; 2018,
  arXiv:1806.03822): `question`, `context` and `answers`, a list of `(text,
  first character)`, empty where there is none."""
  where = 'the file'
  try:
    for article in json_of(name, numbered)['data']:
      for paragraph in article['paragraphs']:
        for question in paragraph['qas']:
          where = f'question {question["id"]}'
          answers = [(_is(str, one['text']), _is(int, one['answer_start']))
                     for one in question.get('answers', ())]
          yield where, {'question': _is(str, question['question']),
                        'context': _is(str, paragraph['context']),
                        'answers': [] if question.get('is_impossible')
                        else answers}
  except (KeyError, TypeError) as error:
    raise DataError(f'{name} {where}: not in the form of SQuAD: {error!r}'
                    ) from error


def dialogues(name, numbered):
  """A reader of C3's JSON (Sun et al. 2020, arXiv:1904.09679): `context`,
  `question`, `choices` and `answer`."""
  where = 'the file'
  try:
    for place, (lines_, questions, *_) in enumerate(
        json_of(name, numbered), 1):
      for number, one in enumerate(questions, 1):
        where = f'text {place} question {number}'
        yield where, {'context': '\n'.join(lines_),
                      'question': _is(str, one['question']),
                      'choices': [_is(str, choice) for choice in one['choice']],
                      'answer': one['answer']}
  except (KeyError, TypeError, ValueError) as error:
    raise DataError(f'{name} {where}: not in the form of C3: {error!r}'
                    ) from error


def _is(kind, value):
  if not isinstance(value, kind):
    raise TypeError(f'{value!r:.60} is no {kind.__name__}')
  return value


def json_of(name, numbered):
  """The one JSON value of a whole file."""
  return _json(name, None, text_of(numbered))


def _json(name, number, text):
  where = name if number is None else f'{name} line {number}'
  try:
    return json.loads(text)
  except (ValueError, RecursionError) as error:
    raise DataError(f'{where} is not JSON: {error}') from error


def conll(separator=None, prefix=''):
  """A reader of a word a line, its tag in the last column, an empty line
  behind a sentence: the columns `words` and `tags`, lists.

  Args:
    separator: between columns; None is any white space.
    prefix: ends what stands before a word, as the ':' of 'en:word'.
  """

  def reader(name, numbered):
    words, tags, first = [], [], 0
    for number, line in numbered:
      if not line.strip():
        if words:
          yield f'line {first}', {'words': words, 'tags': tags}
        words, tags = [], []
        continue
      cells = line.split(separator)
      if len(cells) < 2:
        raise DataError(f'{name} line {number} is not a word and a tag: '
                        f'{line!r:.80}')
      first = first if words else number
      words.append(cells[0].partition(prefix)[2] if prefix else cells[0])
      tags.append(cells[-1].strip())
    if words:
      yield f'line {first}', {'words': words, 'tags': tags}

  return reader


def cell(row, column, where):
  """A row's column; raises DataError where there is none, naming what there
  is, or where it is null."""
  if column not in row:
    raise DataError(f'{where} has no column {column!r}, found '
                    f'{", ".join(map(str, row))[:200]}')
  if row[column] is None:
    raise DataError(f'{where}: {column!r} is null')
  return row[column]
