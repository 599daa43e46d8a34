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
    lines.append('| ' + ' | '.join(map(_text, header)) + ' |')
    lines.append('|' + ' --- |' * len(header))
    lines += ['| ' + ' | '.join(map(_text, row)) + ' |' for row in rows]
  lines += ['', f'Rebuilt by `python -m ptm_jax report --workdir={data.path}`.']
  return '\n'.join(lines) + '\n'


def _text(value):
  text = ' '.join(str(value).split())
  return text.replace('\\', '\\\\').replace('|', '\\|').replace('<', '&lt;')
