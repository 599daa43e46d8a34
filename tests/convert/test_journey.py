"""What a new user does: publish a run, fine-tune what was published, publish
that, and have transformers predict the same of the same texts.
"""

import subprocess
import sys

import numpy as np
import pytest

from ptm_jax.convert import check
from ptm_jax.load import load
from tests import small_runs

TEXTS = ['the array function returns a value of type int.',
         'default optional parameters see also notes', 'examples']


def run(*arguments):
  done = subprocess.run([sys.executable, '-m', 'ptm_jax', *arguments],
                        cwd=small_runs.ROOT, capture_output=True, text=True,
                        check=False)
  assert done.returncode == 0, done.stderr[-2000:]
  return done.stdout


@pytest.mark.peers
@pytest.mark.slow
def test_a_published_classifier_predicts_the_same(tmp_path):
  import torch
  import transformers
  corpus = tmp_path / 'corpus.txt'
  small_runs.write_corpus(corpus)
  subprocess.run(small_runs.command(
      corpus, tmp_path / 'run', **{'model.max_length': 40}),
                 cwd=small_runs.ROOT, check=True, capture_output=True)
  run('convert', f'--source={tmp_path / "run"}',
      f'--target={tmp_path / "published"}')
  run('finetune', f'--checkpoint={tmp_path / "published"}',
      '--task=docstring_library', '--seeds=1', '--max_train=64',
      '--max_test=16', '--epochs=1', '--max_length=32', '--pooling=pooler',
      f'--workdir={tmp_path / "tuned"}')
  printed = run('convert', f'--source={tmp_path / "tuned" / "seed-0"}',
                f'--target={tmp_path / "out"}', '--check')
  assert float(printed.rsplit(':', 1)[1]) < 2e-5

  peer = transformers.AutoModelForSequenceClassification.from_pretrained(
      tmp_path / 'out').eval()
  tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / 'out')
  here = load(tmp_path / 'tuned' / 'seed-0')
  labels = list(here.finetune['labels'])
  for text in TEXTS:
    with torch.no_grad():
      there = peer(**tokenizer(text, return_tensors='pt')).logits[0].numpy()
    states, _ = here.apply([text])
    scores = np.asarray(check.scores(here.objective, here.params, states))[0]
    assert check.relative(scores, there) < 2e-5
    assert peer.config.id2label[int(there.argmax())] == str(
        labels[int(scores.argmax())])
