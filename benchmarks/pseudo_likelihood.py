"""Sentences a second of BLiMP by pseudo-log-likelihood, masked LM `small`.

  python benchmarks/pseudo_likelihood.py BLIMP_FOLDER 'TEXT_FILES' [SENTENCES]

The model is untrained, which costs the same; its tokenizer is trained on a
megabyte of the text. Sentences are spread over all paradigms. The first pass
compiles and is not counted; of three more the median is.
"""

import pathlib
import statistics
import sys
import time
import types

from ptm_jax import command_line, setup_jax


def main(folder, pattern, count=2000, rounds=3):
  setup_jax.configure()
  import jax
  from flax.core import meta
  from ptm_jax.data.corpora import text
  from ptm_jax.data.train_tokenizer import train
  from ptm_jax.scoring.scorer import Scorer, Text
  from ptm_jax.tasks import blimp
  experiment = command_line.load_config(
      str(pathlib.Path(__file__).parent.parent / 'experiments/roberta.py')
      + ':small')
  experiment.tokenizer.train_bytes = 2**20
  corpus = text.Corpus(path=pattern)
  tokenizer = train(experiment.tokenizer,
                    (document.text[:2**14] for document in corpus.documents()))
  objective = experiment.objective.bind(
      experiment.model, tokenizer.vocabulary, experiment.data.raw_length)
  params = meta.unbox(jax.jit(objective.init)(jax.random.key(0)))
  scorer = Scorer(types.SimpleNamespace(
      tokenizer=tokenizer, objective=objective, params=params))
  examples = blimp.Task().read(folder)
  texts = [Text(sentence) for one in
           examples[::max(1, 2 * len(examples) // count)]
           for sentence in one.texts][:count]
  seconds = []
  for _ in range(rounds + 1):
    start = time.perf_counter(), time.process_time()
    scores = scorer.score(texts)
    seconds.append((time.perf_counter() - start[0],
                    time.process_time() - start[1]))
  tokens = sum(len(one.nats) for one in scores) / len(texts)
  clock, cpu = (len(texts) / statistics.median(one)
                for one in zip(*seconds[1:]))
  print(f'{len(texts)} sentences of {tokens:.1f} tokens, {scorer.name}: '
        f'{clock:.0f} sentences/s by the clock, {cpu:.0f} per second of '
        f'processor time (first pass, with compilation, {seconds[0][0]:.1f} s)')


if __name__ == '__main__':
  main(*sys.argv[1:3], *map(int, sys.argv[3:4]))
