"""A run with an untrained trunk, made in a moment, and tasks' files."""

import functools
import gzip

import jax

from ptm_jax import config, workdir
from ptm_jax.checkpoint import Checkpoints
from ptm_jax.data.corpora import text
from ptm_jax.data.train_tokenizer import train
from ptm_jax.find import find
from ptm_jax.step import make_hparams, make_init
from tests.eager import eager
from tests.small_runs import WORDS


@functools.cache
def tokenizer():
  return train(config.Tokenizer(kind='bpe', vocab_size=420),
               [' '.join(WORDS), 'café 北京是中国的首都', *WORDS])


def untrained_run(folder, objective='masked', **model):
  """Writes a work directory whose checkpoint is the initial state."""
  settings = config.Experiment(
      objective=find('objectives', objective)(),
      corpus=text.Corpus(path='nowhere.txt'),
      model=config.Model(**{
          'width': 16, 'depth': 2, 'num_heads': 2, 'max_length': 64, **model}),
      tokenizer=config.Tokenizer(vocab_size=420),
      data=config.Data(raw_length=16, batch_size=8))
  found = tokenizer()
  bound = settings.objective.bind(settings.model, found.vocabulary, 16)
  state = eager(make_init(bound, settings.optimizer, settings.num_steps),
                jax.random.key(0), make_hparams(bound, settings.optimizer))
  found.save(folder / 'tokenizer')
  workdir.write_json(folder / 'config.json', workdir.record(
      settings, corpus_hash='none', tokenizer_hash=found.hash))
  keeper = Checkpoints(folder / 'checkpoints')
  keeper.save(0, state, block=True)
  keeper.close()
  return folder


def write(folder, name, lines):
  """A file of lines, compressed if its name says so."""
  folder.mkdir(parents=True, exist_ok=True)
  data = ''.join(line + '\n' for line in lines).encode()
  (folder / name).write_bytes(
      gzip.compress(data) if name.endswith('.gz') else data)
  return folder


def cola(folder, count=48):
  """CoLA's files; a sentence is acceptable if it starts with 'array'."""
  def line(number):
    good = number % 2
    words = [WORDS[(number * 7 + k) % len(WORDS)] for k in range(number % 9)]
    return '\t'.join(['x', str(good), '' if good else '*', ' '.join(
        [('none', 'array')[good], *words, 'data'])])
  write(folder, 'train.tsv', [line(number) for number in range(count)])
  return write(folder, 'dev.tsv.gz',
               [line(number) for number in range(100, 116)])
