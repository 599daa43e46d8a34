"""The pictures of a report, as inline SVG that reads on light and on dark.

Text and axes are drawn in one marker colour that becomes `currentColor`, so
the page decides it.
"""

import contextlib
import io
import re

import numpy as np

from ptm_jax.report.data import tasks, terms, values
from ptm_jax.statistics import estimate

_INK = '#010203'  # stands for the page's text colour
HUES = ('#3b82c4', '#d9822b', '#3f9c6d', '#b657a8', '#8a7a2f', '#6f6fd6')
_POINTS = 500


def _pyplot():
  import matplotlib
  matplotlib.use('Agg')
  import matplotlib.pyplot as plt
  plt.rcParams.update({
      'svg.fonttype': 'none', 'svg.hashsalt': 'ptm_jax', 'font.size': 9,
      'font.family': 'sans-serif', 'text.color': _INK,
      'axes.edgecolor': _INK, 'axes.labelcolor': _INK, 'xtick.color': _INK,
      'ytick.color': _INK, 'axes.spines.top': False,
      'axes.spines.right': False, 'axes.linewidth': 0.6,
      'figure.facecolor': 'none', 'axes.facecolor': 'none',
      'savefig.facecolor': 'none', 'legend.frameon': False})
  return plt


@contextlib.contextmanager
def drawing(label, size, rows=None):
  """A figure to draw in.

  Args:
    label: unique on the page.
    size: width and height, inches.
    rows: relative heights of panels below each other; None is one panel.

  Yields:
    figure, its axes (a list where there are rows), and a function that gives
    the `<svg>` once the block ended.
  """
  plt, found = _pyplot(), []
  figure, axes = plt.subplots(
      len(rows or (1,)), figsize=size,
      gridspec_kw={'height_ratios': rows or (1,)})
  yield figure, axes, lambda: found[0]
  found.append(_svg(plt, figure, label))


def _svg(plt, figure, label):
  """The figure as an `<svg>` element that scales with the page."""
  out = io.StringIO()
  figure.savefig(out, format='svg', bbox_inches='tight',
                 metadata={'Date': None, 'Creator': None})
  plt.close(figure)
  text = out.getvalue()
  text = text[text.index('<svg'):].replace(_INK, 'currentColor')
  # Names are unique within a file only; several files share the page.
  # An image's own name is a hash of its pixels, which two may share.
  text = re.sub(r'(<image[^>]*?) id="[^"]*"', r'\1', text)
  mark = re.sub(r'\W', '_', label)
  text = re.sub(r'\bid="', f'id="{mark}-', text)
  text = re.sub(r'url\(#', f'url(#{mark}-', text)
  text = re.sub(r'xlink:href="#', f'xlink:href="#{mark}-', text)
  text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1', text, count=1)
  text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1', text, count=1)
  return text.replace('<svg', '<svg role="img"', 1)


def _thin(steps, losses):
  every = max(1, -(-len(steps) // _POINTS))
  return steps[::every], losses[::every]


def curves(data):
  """One panel per objective and term; `[(caption, svg)]`."""
  plt, pictures = _pyplot(), []
  for hue, (name, entries) in zip(_cycle(HUES), data.groups.items()):
    for term in terms(entries):
      figure, axes = plt.subplots(figsize=(4.2, 2.6))
      lines = [series(data.curves[entry['workdir']], f'loss/{term}', 'train')
               for entry in entries]
      lines = [line for line in lines if line[0]]
      for steps, losses in lines:
        axes.plot(*_thin(steps, losses), color=hue, alpha=0.35, linewidth=0.8)
      if lines and len({tuple(steps) for steps, _ in lines}) == 1:
        mean = np.mean([losses for _, losses in lines], 0)
        axes.plot(*_thin(lines[0][0], list(mean)), color=hue, linewidth=1.8,
                  label='training, mean of seeds')
      for number, entry in enumerate(entries):
        steps, held_out = series(data.curves[entry['workdir']],
                                  f'{term}/nll', 'validation')
        axes.plot(steps, held_out, 'o', color=_INK, markersize=2.5,
                  label=None if number else 'validation')
      constant = values(entries, f'validation/{term}/constant_nll')
      if constant:
        axes.axhline(float(np.mean(constant)), color=_INK, linewidth=0.8,
                     linestyle='--', label='constant predictor')
      axes.set_xlabel('updates')
      axes.set_ylabel('nats per prediction')
      axes.legend(fontsize=7)
      caption = f'{name}: {term}'
      pictures.append((caption, _svg(plt, figure, f'curve {caption}')))
  return pictures


def series(lines, name, kind):
  """Steps and values of one number in a run's record."""
  found = [(line['step'], line[name]) for line in lines
           if line.get('kind') == kind and line.get(name) is not None]
  return [step for step, _ in found], [value for _, value in found]


def _cycle(items):
  while True:
    yield from items


def downstream(data):
  """Fine-tuned and probed accuracy with intervals; `[(caption, svg)]`."""
  plt, pictures = _pyplot(), []
  ways = (('finetune', 'fine-tuned', 'o'), ('probe', 'linear probe', 's'),
          ('probe_untrained', 'probe, untrained trunk', 'x'))
  for task in tasks(data):
    names = list(data.groups)
    figure, axes = plt.subplots(figsize=(6, 0.8 + 0.45 * len(names)))
    for hue, (number, (way, label, marker)) in zip(
        HUES, enumerate(ways)):
      for row, name in enumerate(names):
        found = values(data.groups[name], f'{task}/{way}/accuracy')
        if not found:
          continue
        one = estimate(found)
        axes.errorbar(one.mean, row + (number - 1) * 0.18,
                      xerr=one.half_width or 0.0, fmt=marker, color=hue,
                      markersize=4, capsize=2, linewidth=1,
                      label=label if not row else None)
    chance = values(data.groups[names[0]], f'{task}/chance')
    if chance:
      axes.axvline(chance[0], color=_INK, linestyle='--', linewidth=0.8,
                   label='chance')
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel('accuracy')
    axes.legend(fontsize=7, loc='upper left', bbox_to_anchor=(1.0, 1.0))
    pictures.append((f'{task}: accuracy and 95 % interval over seeds',
                     _svg(plt, figure, f'downstream {task}')))
  return pictures


def attention(data):
  """Layers x heads of a sample sentence; `[(caption, svg)]`."""
  plt, pictures = _pyplot(), []
  for name, maps in data.attention.items():
    layers, tokens = maps['layers'], [_label(t) for t in maps['tokens']]
    heads = len(layers[0])
    figure, grid = plt.subplots(
        len(layers), heads, squeeze=False,
        figsize=(2.1 * heads, 2.1 * len(layers)))
    for depth, layer in enumerate(layers):
      for head, weights in enumerate(layer):
        axes = grid[depth][head]
        axes.imshow(np.asarray(weights, float), cmap='viridis', vmin=0.0,
                    interpolation='nearest')
        axes.set_title(f'layer {depth + 1}, head {head + 1}', fontsize=7)
        axes.set_xticks([])
        axes.set_yticks([])
        if head == 0 and len(tokens) <= 40:
          axes.set_yticks(range(len(tokens)), tokens, fontsize=4)
    caption = f'{name}: rows attend to columns'
    pictures.append((caption, _svg(plt, figure, f'attention {name}')))
  return pictures


def _label(token):
  """A token as a tick label: no mathtext, no line breaks."""
  return token.replace('$', r'\$').replace('\n', '⏎').replace('▁', '·')
