"""What a new user does: publish a run, fine-tune what was published, publish
that, and have transformers predict the same of the same texts.
"""

import json
import random
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax import config
from ptm_jax.command_line import load_config
from ptm_jax.convert import check, export, folder, mapping
from ptm_jax.data import train_tokenizer
from ptm_jax.finetune_step import windows_of
from ptm_jax.generation.sampling import Sampling
from ptm_jax.generation.writing import Writer
from ptm_jax.load import Loaded, load
from tests import small_runs
from tests.data.samples import sentences

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
    scores = np.asarray(check.scores(here, here.params, states))[0]
    assert check.relative(scores, there) < 2e-5
    assert peer.config.id2label[int(there.argmax())] == str(
        labels[int(scores.argmax())])


def classifier(name, tokenizer, **fields):
  """A random classifier of texts, as fine-tuning would leave it."""
  settings = load_config(f'{small_runs.ROOT}/experiments/{name}.py:tiny')
  for field, value in fields.items():
    setattr(settings.model, field, value)
  objective = settings.objective.bind(
      settings.model, tokenizer.vocabulary, settings.data.raw_length)
  rng = np.random.default_rng(0)
  networks = folder.networks_of(objective, (3, 'pooler'))
  params = mapping.unflatten({
      leaf.path: jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32)
      for leaf in mapping.leaves_of(networks, ['trunk', 'task'])})
  return Loaded(settings, tokenizer, objective, params, 1, {
      'kind': 'sequence', 'labels': ['a', 'b', 'c'],
      'parameters': jax.tree.map(lambda leaf: list(leaf.shape),
                                 params['task'])})


@pytest.mark.peers
@pytest.mark.parametrize('name, fields', [
    ('xlnet', {}), ('bert_wwm', dict(num_token_types=2))])
def test_padded_texts_and_pairs_of_them_are_read_the_same(name, fields,
                                                          tmp_path):
  import torch
  import transformers
  tokenizer = train_tokenizer.train(config.Tokenizer('unigram', 400),
                                    sentences(100))
  here = classifier(name, tokenizer, **fields)
  export.write(here, export.plan(here), tmp_path / 'out')
  peer = transformers.AutoModelForSequenceClassification.from_pretrained(
      tmp_path / 'out').eval()
  theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / 'out')
  for texts in [(one,) for one in TEXTS], list(zip(TEXTS, TEXTS[1:])):
    with torch.no_grad():
      there = peer(**theirs(*map(list, zip(*texts)), padding=True,
                            return_tensors='pt')).logits.numpy()
    end = tokenizer.vocabulary.sep_id
    rows = [[one for part in parts for one in (end, *tokenizer.encode(part))][
        1:] for parts in texts]
    longest = max(map(len, rows))
    tokens = jnp.asarray([np.pad(row, (0, longest - len(row)))
                          for row in rows], jnp.int32)
    real = jnp.arange(longest)[None] < jnp.asarray(list(map(len, rows)))[
        :, None]
    states, mask = here.objective.features(
        here.params, windows_of(tokens, real))
    scores = check.scores(here, here.params, states, mask)
    assert check.relative(np.asarray(scores), there) < 2e-5


def write_pairs(path, count, seed):
  """Texts of either half of the words behind a text of all."""
  draw = random.Random(seed)
  words = small_runs.WORDS
  lines = ['label\ttext_a\ttext_b']
  for _ in range(count):
    label = draw.randrange(2)
    half = words[label * len(words) // 2:][:len(words) // 2]
    lines.append('\t'.join([
        f'half {label}', ' '.join(draw.choices(words, k=draw.randint(2, 9))),
        ' '.join(draw.choices(half, k=draw.randint(2, 9)))]))
  path.write_text('\n'.join(lines) + '\n')


# Class of the tokenizer, its control tokens; class of the model, of its
# settings, settings.
PUBLISHED = {
    'last': ('GPT2Tokenizer', ['<|endoftext|>'], 'GPT2LMHeadModel',
             'GPT2Config', dict(n_embd=32, n_layer=2, n_head=2, n_positions=64,
                                bos_token_id=0, eos_token_id=0)),
    'decoder': ('BartTokenizer', ['<s>', '<pad>', '</s>', '<unk>', '<mask>'],
                'BartForConditionalGeneration', 'BartConfig', dict(
                    d_model=32, encoder_layers=1, decoder_layers=1,
                    encoder_attention_heads=2, decoder_attention_heads=2,
                    encoder_ffn_dim=64, decoder_ffn_dim=64,
                    max_position_embeddings=64)),
    **{kind: ('BartTokenizer', ['<s>', '<pad>', '</s>', '<unk>', '<mask>'],
              kind, 'T5Config', dict(d_model=32, d_kv=16, d_ff=64,
                                     num_layers=1, num_heads=2, pad_token_id=1,
                                     eos_token_id=2,
                                     decoder_start_token_id=1))
       for kind in ('T5EncoderModel', 'T5ForConditionalGeneration')},
}


def publish(folder, tokens, special, model, settings, values):
  """A random one with a byte-level BPE, as these libraries write them."""
  import tokenizers
  import transformers
  folder.mkdir()
  pieces = tokenizers.ByteLevelBPETokenizer()
  pieces.train_from_iterator([' '.join(small_runs.WORDS)] * 9, 330,
                             special_tokens=special)
  pieces.save_model(str(folder))
  tokenizer = getattr(transformers, tokens).from_pretrained(folder)
  tokenizer.save_pretrained(folder)
  getattr(transformers, model)(getattr(transformers, settings)(
      vocab_size=len(tokenizer), **values)).save_pretrained(folder)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize('pooling', ['last', 'decoder'])
def test_a_published_decoder_predicts_pairs_the_same(pooling, tmp_path):
  import torch
  import transformers
  publish(tmp_path / 'published', *PUBLISHED[pooling])
  for split, count in ('train', 96), ('test', 24):
    write_pairs(tmp_path / f'{split}.tsv', count, count)
  run('finetune', f'--checkpoint={tmp_path / "published"}',
      '--task=own_classes', f'--data_dir={tmp_path}', '--seeds=1',
      '--epochs=4', '--batch_size=16', '--learning_rate=3e-3',
      '--max_length=48', f'--pooling={pooling}',
      f'--workdir={tmp_path / "tuned"}')
  seed = tmp_path / 'tuned' / 'seed-0'
  printed = run('convert', f'--source={seed}', f'--target={tmp_path / "out"}',
                '--check')
  assert float(printed.rsplit(':', 1)[1]) < 2e-5

  peer = transformers.AutoModelForSequenceClassification.from_pretrained(
      tmp_path / 'out').eval()
  tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / 'out')
  rows = [line.split('\t')[1:] for line in (
      tmp_path / 'test.tsv').read_text().splitlines()[1:]]
  with torch.no_grad():
    scores = peer(**tokenizer(
        *map(list, zip(*rows, strict=True)), padding=True,
        return_tensors='pt')).logits.numpy()
  here = [json.loads(line)['prediction'] for line in (
      seed / 'predictions.jsonl').read_text().splitlines()]
  assert [peer.config.id2label[int(one)] for one in scores.argmax(1)] == here
  assert len(set(here)) == 2


@pytest.mark.peers
def test_a_published_bart_reads_and_writes_what_opens_a_text(tmp_path):
  import torch
  import transformers
  place = tmp_path / 'there'
  publish(place, *PUBLISHED['decoder'])
  peer = transformers.BartForConditionalGeneration.from_pretrained(
      place).eval()
  torch.manual_seed(0)
  with torch.no_grad():
    for parameter in peer.parameters():
      parameter.add_(torch.randn_like(parameter) * 0.2)
  peer.save_pretrained(place)
  run = load(place)
  tokenizer = transformers.AutoTokenizer.from_pretrained(place)
  rows = tokenizer(TEXTS, padding=True, return_tensors='pt')
  states, mask = run.apply(TEXTS)
  with torch.no_grad():
    there = peer.model.encoder(rows['input_ids'], rows[
        'attention_mask']).last_hidden_state.numpy()
  real = rows['attention_mask'].numpy() > 0
  np.testing.assert_array_equal(mask, real)
  assert check.relative(states[real], there[real]) < 2e-5
  vocabulary = run.objective.vocabulary
  written = np.stack([*Writer(run, Sampling(temperature=0)).write(TEXTS, 6)],
                     1)
  found = peer.generate(
      **rows, do_sample=False, num_beams=1, max_new_tokens=8,
      forced_bos_token_id=vocabulary.bos_id, suppress_tokens=[
          one for one in range(vocabulary.size) if one not in (
              vocabulary.eos_id, vocabulary.bos_id)
          and not vocabulary.is_text(np.array(one))])
  assert set(found[:, 1].tolist()) == {vocabulary.bos_id}
  np.testing.assert_array_equal(written, found[:, 2:8].numpy())


def write_tags(path, count, seed):
  """Every word of the first half of all is a name."""
  draw = random.Random(seed)
  words = small_runs.WORDS
  path.write_text('\n'.join(
      line for _ in range(count) for line in [*(
          f'{word}\t{"B-x" if word in words[:len(words) // 2] else "O"}'
          for word in draw.choices(words, k=draw.randint(2, 9))), '']))


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize('kind', ['T5EncoderModel',
                                  'T5ForConditionalGeneration'])
def test_an_encoder_of_t5_labels_tokens_the_same(kind, tmp_path):
  """Published alone, or with a decoder that is left behind."""
  import torch
  import transformers
  publish(tmp_path / 'published', *PUBLISHED[kind])
  write_tags(tmp_path / 'wnut17train.conll', 96, 0)
  write_tags(tmp_path / 'emerging.test.annotated', 24, 1)
  run('finetune', f'--checkpoint={tmp_path / "published"}',
      '--task=wnut17', f'--data_dir={tmp_path}', '--seeds=1', '--epochs=4',
      '--batch_size=16', '--learning_rate=3e-3', '--max_length=48',
      f'--workdir={tmp_path / "tuned"}')
  seed = tmp_path / 'tuned' / 'seed-0'
  printed = run('convert', f'--source={seed}', f'--target={tmp_path / "out"}',
                '--check')
  assert float(printed.rsplit(':', 1)[1]) < 2e-5
  assert ('without the decoder' in printed) == (kind != 'T5EncoderModel')

  peer = transformers.AutoModelForTokenClassification.from_pretrained(
      tmp_path / 'out').eval()
  tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / 'out')
  texts = [[line.split('\t')[0] for line in text.split('\n')] for text in (
      tmp_path / 'emerging.test.annotated').read_text().strip().split('\n\n')]
  rows = tokenizer([' '.join(words) for words in texts], padding=True,
                   return_tensors='pt', return_offsets_mapping=True)
  offsets = rows.pop('offset_mapping').tolist()
  with torch.no_grad():
    best = peer(**rows).logits.argmax(-1).tolist()
  here = [json.loads(line)['prediction'] for line in (
      seed / 'predictions.jsonl').read_text().splitlines()]
  there = []
  for words, tokens, row in zip(texts, offsets, best, strict=True):
    # A blank is the next word's.
    ends, firsts = np.cumsum([len(word) + 1 for word in words]) - 1, {}
    for place, (start, end) in enumerate(tokens):
      if end > start:
        firsts.setdefault(int(np.sum(ends <= end - 1)), place)
    there.append([peer.config.id2label[row[firsts[number]]]
                  for number in range(len(words))])
  assert there == here
  assert {one for tags in here for one in tags} == {'B-x', 'O'}
