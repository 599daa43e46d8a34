"""Our tokenizer as the files that the field's libraries read.

`tokenizer.json` describes a tokenizer to the `tokenizers` library: what is done
to a text, a model of pieces, special tokens around it, and the way back. Ours
becomes one whose ids are the same.

A unigram model of that library knows no piece that text cannot reach. The
names of control tokens and of bytes are therefore made so unlikely that any
other way to spell them is better, and there always is one: an ASCII character
without a piece of its own gives its byte's piece its name.
"""

import re

from ptm_jax.data.tokenizer import ESCAPE, NAMES, SPACE

_BYTE = re.compile('<0x([0-9A-F]{2})>')
# More characters than any name of a control token or a byte has.
_LONGEST_NAME = 20
_UNKNOWN_PENALTY = 10.0  # of both libraries, below the worst piece


def names_of_control(vocabulary):
  """`{id: name}` of control ids and sentinels. Our training joins no letters
  with brackets, so that no piece of text has such a name."""
  names = dict(enumerate(NAMES))
  names.update({vocabulary.sentinel_id(k): f'<extra_id_{k}>'
                for k in range(vocabulary.num_sentinels)})
  return dict(sorted(names.items()))


def tokenizer_json(tokenizer, before, between, after):
  """The contents of `tokenizer.json`.

  Args:
    tokenizer: `tokenizer.Tokenizer`.
    before, between, after: as of `template`.

  Returns:
    A dict.
  """
  names = names_of_control(tokenizer.vocabulary)
  pieces = _pieces(tokenizer, names)
  return {
      'version': '1.0', 'truncation': None, 'padding': None,
      'added_tokens': [
          {'id': one, 'content': name, 'single_word': False, 'lstrip': False,
           'rstrip': False, 'normalized': False, 'special': True}
          for one, name in names.items()],
      'normalizer': _sequence('normalizers', _normalizers(tokenizer)),
      # A newline is a piece of its own and part of no other.
      'pre_tokenizer': {'type': 'Split', 'pattern': {'String': '\n'},
                        'behavior': 'Isolated', 'invert': False},
      'post_processor': template(before, between, after, names),
      'decoder': _sequence('decoders', [
          _replace({'String': SPACE}, ' '), {'type': 'ByteFallback'},
          {'type': 'Fuse'},
          # Behind an even number of escapes: `\\K` keeps them.
          _replace({'Regex': f'(?<!{ESCAPE})(?:{ESCAPE}{ESCAPE})*'
                    f'\\K{ESCAPE}s'}, SPACE),
          _replace({'String': 2 * ESCAPE}, ESCAPE)]),
      'model': (_unigram if tokenizer.is_unigram else _bpe)(
          tokenizer, pieces, names)}


def _sequence(kind, parts):
  return {'type': 'Sequence', kind: parts}


def _replace(pattern, content):
  return {'type': 'Replace', 'pattern': pattern, 'content': content}


def _normalizers(tokenizer):
  lower = [
      # Lower case would make two characters of this one, which ours keeps.
      # No `SPACE` is left by then, so it can stand for it.
      _replace({'String': '\u0130'}, SPACE), {'type': 'Lowercase'},
      _replace({'String': SPACE}, '\u0130')]
  return [_replace({'String': ESCAPE}, 2 * ESCAPE),
          _replace({'String': SPACE}, f'{ESCAPE}s'),
          *(lower if tokenizer.lower_case else []),
          _replace({'String': ' '}, SPACE)]


def template(before, between, after, names):
  """A `post_processor` that puts special tokens around one or two texts.

  Args:
    before, between, after: lists of control ids in front of the first text,
      behind it where there is a second one, and behind the last; what follows
      the first of `after` is of a third type (XLNet).
    names: `{id: name}` of these, or of more.
  """
  def special(ids, kind):
    return [{'SpecialToken': {'id': names[one], 'type_id': kind}}
            for one in ids]

  def end(kind):
    return [*special(after[:1], kind), *special(after[1:], 2)]

  first = [*special(before, 0), {'Sequence': {'id': 'A', 'type_id': 0}}]
  return {'type': 'TemplateProcessing', 'single': [*first, *end(0)],
          'pair': [*first, *special(between, 0),
                   {'Sequence': {'id': 'B', 'type_id': 1}}, *end(1)],
          'special_tokens': {
              names[one]: {'id': names[one], 'ids': [one],
                           'tokens': [names[one]]}
              for one in sorted({*before, *between, *after})}}


def _pieces(tokenizer, names):
  """The name of every id, in order."""
  pieces = tokenizer.pieces(range(tokenizer.vocabulary.size))
  for one, name in names.items():
    pieces[one] = name
  return pieces


def _unigram(tokenizer, pieces, names):
  scores, known = tokenizer.scores(), set(pieces)
  text = [one for one in range(len(pieces))
          if one not in names and not tokenizer.is_byte(one)]
  worst = min(float(scores[one]) for one in text)
  never = _LONGEST_NAME * (worst - _UNKNOWN_PENALTY)
  vocab = []
  for one, piece in enumerate(pieces):
    score = never
    if one not in names and not tokenizer.is_byte(one):
      score = float(scores[one])
    elif one not in names:
      character = chr(int(_BYTE.fullmatch(piece)[1], 16))
      if character < '\x80' and character not in known:
        piece, score = character, worst - _UNKNOWN_PENALTY
    vocab.append([piece, score])
  return {'type': 'Unigram', 'unk_id': tokenizer.vocabulary.unk_id,
          'vocab': vocab, 'byte_fallback': True}


def _bpe(tokenizer, pieces, names):
  """Pieces are made of any two others, the likeliest piece first."""
  scores, merges = tokenizer.scores(), []
  ids = {piece: one for one, piece in enumerate(pieces)
         if one not in names and not tokenizer.is_byte(one)}
  for piece in sorted(ids, key=lambda one: -scores[ids[one]]):
    merges += sorted(([piece[:cut], piece[cut:]]
                      for cut in range(1, len(piece))
                      if piece[:cut] in ids and piece[cut:] in ids),
                     key=lambda pair: (ids[pair[0]], ids[pair[1]]))
  return {'type': 'BPE', 'dropout': None,
          'unk_token': names[tokenizer.vocabulary.unk_id],
          'continuing_subword_prefix': None, 'end_of_word_suffix': None,
          'fuse_unk': False, 'byte_fallback': True, 'ignore_merges': False,
          'vocab': {piece: one for one, piece in enumerate(pieces)},
          'merges': merges}
