"""`report.html`: one self-contained page, no script, no network."""

import html

_STYLE = '''
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5b6570;
  --line: #d9dee3; --page: #fcfcfb; --good: #2b7a4b; --bad: #a8481c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --soft: #9aa4ae;
  --line: #363d44; --page: #14181c; --good: #6fc392; --bad: #f09a66; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.2rem; color: var(--ink);
  background: var(--page); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .8rem 0; line-height: 1.25; }
h2 { font-size: 1.1rem; margin: 2.4rem 0 .4rem; }
p.verdict { font-size: 1.1rem; border-left: 4px solid var(--good);
  padding: .2rem 0 .2rem .8rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
p.verdict.bad { border-color: var(--bad); }
p.note, figcaption, dt { color: var(--soft); font-size: .88rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .9rem; }
th, td { text-align: right; padding: .35rem .7rem; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.pictures { display: grid; gap: 1.2rem;
  grid-template-columns:
  repeat(auto-fit, minmax(min(100%, 20rem), 34rem)); }
.pictures.wide { grid-template-columns: minmax(0, 44rem); }
figure { margin: 0; }
svg { width: 100%; height: auto; display: block; }
a { color: inherit; }
code { font-size: .9em; overflow-wrap: anywhere; }
ul.warnings { color: var(--bad); }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; } }
'''


def page(data, view):
  """The whole page as text. Whatever comes from a file is escaped.

  Args:
    data: `data.Data`.
    view: the module that knows this kind of report.
  """
  good, sentence = view.verdict(data)
  title = view.title(data)
  parts = [
      '<!doctype html><html lang="en"><head><meta charset="utf-8">',
      '<meta name="viewport" content="width=device-width, initial-scale=1">',
      f'<title>{_text(title)}</title><link rel="icon" href="data:,">',
      f'<style>{_STYLE}</style></head><body><main>',
      f'<p class="verdict{"" if good else " bad"}">{_text(sentence)}</p>',
      f'<h1>{_text(title)}</h1>', '<dl>',
      *(f'<dt>{_text(name)}</dt><dd>{_text(value)}</dd>'
        for name, value in view.facts(data)), '</dl>']
  warnings = data.results.get('warnings') or []
  if warnings:
    parts.append('<ul class="warnings">' + ''.join(
        f'<li>{_text(one)}</li>' for one in warnings) + '</ul>')
  for table in view.all_tables(data):
    parts.append(_table(*table))
    parts += [_pictures(*one) for one in view.pictures(data, table[0])]
  parts += [
      '<h2>How to rebuild this page</h2><p><code>python -m ptm_jax report '
      f'--workdir={_text(data.path)}</code></p>', '</main></body></html>']
  return '\n'.join(part for part in parts if part)


def _table(title, note, header, rows):
  cells = ''.join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
  body = ''.join('<tr>' + ''.join(
      f'<td>{_cell(cell, name)}</td>' for cell, name in zip(row, header))
                 + '</tr>' for row in rows)
  return (f'<h2>{_text(title)}</h2>'
          + (f'<p class="note">{_text(note)}</p>' if note else '')
          + f'<div class="scroll"><table><thead><tr>{cells}</tr></thead>'
          f'<tbody>{body}</tbody></table></div>')


def _cell(cell, name):
  if name == 'folder':
    return f'<a href="{_text(cell)}/">{_text(cell)}</a>'
  return _text(cell)


def _pictures(title, pictures, kind=''):
  if not pictures:
    return ''
  shown = ''.join(
      f'<figure>{_labelled(svg, caption)}<figcaption>{_text(caption)}'
      '</figcaption></figure>' for caption, svg in pictures)
  return ((f'<h2>{_text(title)}</h2>' if title else '')
          + f'<div class="pictures {kind}">{shown}</div>')


def _labelled(svg, caption):
  return svg.replace('role="img"', f'role="img" aria-label="{_text(caption)}"',
                     1)


def _text(value):
  return html.escape(str(value), quote=True)
