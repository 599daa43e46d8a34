"""`report.md`: the same tables, for a repository or a terminal."""


def markdown(data, view):
  """The whole report as GitHub markdown; see `page.page`."""
  _, sentence = view.verdict(data)
  lines = [_text(sentence), '']
  lines += [f'- {name}: {_text(value)}' for name, value in view.facts(data)]
  lines += [f'- Warning: {_text(one)}'
            for one in data.results.get('warnings') or []]
  for title, note, header, rows in view.all_tables(data):
    lines += ['', f'## {_text(title)}', '']
    if note:
      lines += [note, '']
    lines += table(header, rows)
  lines += ['', f'Rebuilt by `python -m ptm_jax report --workdir={data.path}`.']
  return '\n'.join(lines) + '\n'


def table(header, rows):
  """The lines of a table.

  Args:
    header: list of its columns' names.
    rows: lists of as many values.
  """
  first, *others = ('| ' + ' | '.join(map(_text, row)) + ' |'
                    for row in (header, *rows))
  return [first, '|' + ' --- |' * len(header), *others]


def _text(value):
  text = ' '.join(str(value).split())
  return text.replace('\\', '\\\\').replace('|', '\\|').replace('<', '&lt;')
