"""Lines on which two tokenizers must agree."""

import gzip
import pathlib
import random
import tarfile

DATA = pathlib.Path(__file__).parents[3] / 'shared' / 'data'
TYPED = ('<mask>', '<s>', '</s>', '<pad>', '<unk>', '<cls>', '<sep>', '<0x41>',
         '<0x0A>', '<extra_id_3>', '[MASK]', '[CLS]', '[SEP]', '<|endoftext|>')
_RANGES = ((0, 0x80), (0x80, 0x300), (0x300, 0x600), (0x2570, 0x2590),
           (0x4e00, 0x9fff), (0x1f300, 0x1f6ff), (0, 0xd7ff),
           (0xe000, 0x10ffff))


def invented(count, seed=0):
  """Lines of accents, Chinese, emoji, control characters, escapes, typed
  control tokens and runs of one character."""
  draw = random.Random(seed)
  lines = [f'a{typed}{typed} b{typed}' for typed in TYPED]
  lines += [one * number for one in '=x- a\n\u2581\u241b'
            for number in range(1, 40, 4)]
  while len(lines) < count:
    low, high = draw.choice(_RANGES)
    lines.append(''.join(
        chr(draw.randint(low, high)) if draw.random() < .7
        else draw.choice(' \n\t=-<>\u241b\u2581\u0130\u03a3aE\u00e9\u4e2d\U0001f44d')
        for _ in range(draw.randint(1, 60))))
  return lines[:count]


def published(count):
  """Lines of English, Chinese and code as they are found, as far as there are
  any: `count` of each."""
  code = [line for path in sorted(pathlib.Path(__file__).parents[1].rglob(
      '*.py')) for line in path.read_text(encoding='utf8').split('\n')]
  lines = code[::max(1, len(code) // count)][:count]
  books = DATA / 'en_books' / 'books.tar.xz'
  if books.exists():
    with tarfile.open(books) as archive:
      while not (member := archive.next()).name.endswith('.md'):
        pass
      text = archive.extractfile(member).read().decode('utf8')
    lines += [line for line in text.split('\n') if line.strip()][:count]
  for path in sorted((DATA / 'zh_tencentpretrain' / 'corpora').glob('*')):
    read = gzip.open if path.suffix == '.gz' else open
    with read(path, 'rt', encoding='utf8', errors='replace') as file:
      lines += [line for line, _ in zip(file, range(count))]
    break
  return lines
