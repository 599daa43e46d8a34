"""Beam search: greedy at one end, exhaustive at the other."""

import gzip
import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax import __main__
from ptm_jax.errors import ConfigError
from ptm_jax.generation.beam import Search, Searcher
from ptm_jax.generation.sampling import Sampling
from ptm_jax.generation.writing import Writer
from tests.objectives.words import VOCABULARY, ids
from tests.test_generation import run_of, uncached_scores

# So few that `</s>` is often the likeliest, or the next.
LETTERS = ids('a b c').tolist()
ALLOWED = np.zeros(VOCABULARY.size, bool)
ALLOWED[LETTERS] = True
PROMPTS = ['ab', 'x', 'qrst', 'b', 'cc', 'hello', 'zyx', 'mm', 'p', 'no']
FORMS = [('autoregressive', 'decoder'), ('prefix_lm', 'prefix'),
         ('translation', 'encoder_decoder'), ('translation', 'prefix')]


@pytest.mark.parametrize('name,form', FORMS)
def test_one_candidate_is_greedy(name, form):
  run = run_of(name, form)
  searcher = Searcher(run, Search(width=1))
  writer = Writer(run, Sampling(temperature=0))
  searcher._allowed = writer._allowed = searcher._allowed & jnp.asarray(
      ALLOWED | (np.arange(VOCABULARY.size) == VOCABULARY.eos_id))
  found, _ = searcher.write(PROMPTS, 7)
  greedy = np.stack(list(writer.write(PROMPTS, 7)), 1)
  assert found[:, :greedy.shape[1]].tolist() == greedy.tolist()
  assert not found[:, greedy.shape[1]:].any()


@pytest.mark.parametrize('penalty', [0.0, 1.0])
@pytest.mark.parametrize('name,form', [FORMS[0], FORMS[2]])
def test_all_candidates_are_all_texts(name, form, penalty):
  run, tokens = run_of(name, form, seed=1), 3
  # Unsure of the first token, so that greedy writing misses the best text.
  run.params['trunk']['token_embedding']['embedding'] /= 4
  allowed = ALLOWED.copy()
  texts = list(itertools.product(LETTERS, repeat=tokens))
  if run.objective.writes_end:
    allowed[VOCABULARY.eos_id] = True
    texts += [(*text, VOCABULARY.eos_id) for length in range(tokens)
              for text in itertools.product(LETTERS, repeat=length)]
  search = Search(width=len(texts), length_penalty=penalty)
  searcher = Searcher(run, search)
  searcher._allowed = jnp.asarray(allowed)
  logs = {}  # by prompt and what was written

  def score(prompt, text):
    total = 0.0
    for place, token in enumerate(text):
      key = prompt, text[:place]
      if key not in logs:
        logs[key] = jax.nn.log_softmax(jnp.where(
            allowed, uncached_scores(run, prompt, list(text[:place])), -1e9))
      total += float(logs[key][token])
    return total / ((5 + len(text)) / 6) ** penalty

  found, scores = searcher.write(PROMPTS, tokens)
  greedy = []
  for row, prompt in enumerate(PROMPTS):
    best = max(texts, key=lambda text, prompt=prompt: score(prompt, text))
    assert tuple(one for one in found[row].tolist() if one) == best
    assert scores[row] == pytest.approx(score(prompt, best), rel=1e-4)
    greedy.append(best[0] == np.argmax(logs[prompt, ()]))
  assert not all(greedy)


@pytest.mark.slow
def test_a_wider_beam_finds_no_worse_and_rows_do_not_matter():
  run = run_of('translation', seed=2)
  prompts = ['abc', 'z', 'hello', 'q']
  scores = [Searcher(run, Search(width, 0.0)).write(prompts, 8)[1]
            for width in (1, 8)]
  assert np.all(scores[1] >= scores[0] - 1e-4)
  assert np.any(scores[1] > scores[0] + 1e-3)
  searcher = Searcher(run, Search(4))
  together, _ = searcher.write(prompts, 8, length=8)
  for row, prompt in enumerate(prompts):
    alone, _ = searcher.write([prompt], 8)
    assert alone[0].tolist() == together[row].tolist()


def test_a_file_is_translated_in_its_order(tmp_path, monkeypatch, capsys):
  run = run_of('translation')
  monkeypatch.setattr(sys.modules['ptm_jax.load'], 'load', lambda path: run)
  lines = ['abcdef', 'x', '', 'qrst', 'b']
  with gzip.open(tmp_path / 'in.gz', 'wt') as file:
    file.write('\n'.join(lines))
  (tmp_path / 'right').write_text('\n'.join(lines) + '\n')
  command = ['generate', '--checkpoint=x', '--beam=2', '--max_tokens=5',
             f'--input={tmp_path}/in.gz', f'--output={tmp_path}/out',
             '--batch_size=2']
  pytest.importorskip('sacrebleu')
  pytest.importorskip('rouge_score')
  assert __main__.main([*command, f'--reference={tmp_path}/right']) == 0
  assert capsys.readouterr().out.startswith('BLEU ')
  found, _ = Searcher(run, Search(2)).write(lines, 5, length=16)
  assert (tmp_path / 'out').read_text().split('\n')[:-1] == [
      run.tokenizer.decode([one for one in row if one > 2])
      for row in found.tolist()]
  (tmp_path / 'right').write_text('a\n')
  (tmp_path / 'out').unlink()
  assert __main__.main([*command, f'--reference={tmp_path}/right']) == 3
  assert '5 lines and 1 lines of reference' in capsys.readouterr().err
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('arguments,code,found', [
    (['--input=a'], 2, 'needs --beam'), (['--output=a'], 2, '--input'),
    (['--beam=4', '--top_k=3'], 2, 'draws nothing'), (['--beam=-1'], 2, '-1'),
    (['--beam=2', '--input=no', '--output=a'], 3, '--input=no: there is no')])
def test_bad_flags_are_one_line(capsys, arguments, code, found):
  assert __main__.main(['generate', '--checkpoint=x', *arguments]) == code
  assert found in capsys.readouterr().err


@pytest.mark.parametrize('fields,found', [
    ({'width': 0}, '--beam=0'), ({'length_penalty': -1.0}, 'length_penalty')])
def test_bad_numbers_are_one_line(fields, found):
  with pytest.raises(ConfigError, match=found):
    Searcher(run_of('autoregressive'), Search(**fields))
