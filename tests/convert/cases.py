"""Tiny published models of every family, and how both sides read them.

  python -m tests.convert.cases [NAME ...]  # writes fixtures; needs peers
"""

import dataclasses
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import losses
from ptm_jax.convert import check
from ptm_jax.convert.architecture import TASKS
from ptm_jax.models.sown import entering_states
from ptm_jax.objectives import arrange, base

FIXTURES = pathlib.Path(__file__).parent / 'fixtures'
VOCAB, LENGTH = 31, 10
LENGTHS = 10, 6, 1  # real tokens of each row

_BERT = dict(vocab_size=VOCAB, hidden_size=16, num_hidden_layers=2,
             num_attention_heads=2, intermediate_size=24,
             max_position_embeddings=16)
_DEBERTA = dict(
    {**_BERT, 'max_position_embeddings': 24}, relative_attention=True,
    position_buckets=4, norm_rel_ebd='layer_norm', share_att_key=True,
    pos_att_type='p2c|c2p', position_biased_input=False)
_GPT2 = dict(vocab_size=VOCAB, n_embd=16, n_layer=2, n_head=2, n_positions=16)
_LLAMA = dict(vocab_size=VOCAB, hidden_size=16, num_hidden_layers=2,
              num_attention_heads=4, num_key_value_heads=2,
              intermediate_size=24, max_position_embeddings=32)
_GPT_NEO = dict(
    vocab_size=VOCAB, hidden_size=16, num_layers=2, num_heads=2,
    attention_types=[[['global', 'local'], 1]], window_size=4,
    max_position_embeddings=16)
_T5 = dict(vocab_size=64, d_model=16, d_kv=6, d_ff=24, num_layers=2,
           num_heads=2)
_BART = dict(vocab_size=VOCAB, d_model=16, encoder_layers=1, decoder_layers=1,
             encoder_attention_heads=2, decoder_attention_heads=2,
             encoder_ffn_dim=24, decoder_ffn_dim=24,
             max_position_embeddings=16)
_XLNET = dict(vocab_size=VOCAB, d_model=16, n_layer=2, n_head=2, d_inner=24)


def _tasks(name, kind, settings, span='QuestionAnswering'):
  """The heads of tasks of an encoder's family."""
  return {f'{name}_{task}': (f'{kind}For{head}', f'{kind}Config', dict(
      settings, **more)) for task, head, more in (
          ('sequence', 'SequenceClassification', dict(num_labels=3)),
          ('token', 'TokenClassification', dict(num_labels=5)),
          ('span', span, {}))}


# name: class of transformers, class of its settings, settings.
CASES = {
    'gpt2': ('GPT2LMHeadModel', 'GPT2Config', _GPT2),
    'gpt2_untied': ('GPT2LMHeadModel', 'GPT2Config', dict(
        _GPT2, n_inner=20, tie_word_embeddings=False)),
    'bert': ('BertForMaskedLM', 'BertConfig', _BERT),
    'bert_untied': ('BertForMaskedLM', 'BertConfig', dict(
        _BERT, tie_word_embeddings=False, hidden_act='relu')),
    'bert_pretraining': ('BertForPreTraining', 'BertConfig', _BERT),
    'bert_bare': ('BertModel', 'BertConfig', _BERT),
    **_tasks('bert', 'Bert', _BERT),
    'roberta_sequence': ('RobertaForSequenceClassification', 'RobertaConfig',
                         dict(_BERT, type_vocab_size=1, num_labels=3)),
    'albert_sequence': ('AlbertForSequenceClassification', 'AlbertConfig',
                        dict(_BERT, embedding_size=8)),
    'mpnet_sequence': ('MPNetForSequenceClassification', 'MPNetConfig', _BERT),
    'electra_sequence': ('ElectraForSequenceClassification', 'ElectraConfig',
                         dict(_BERT, embedding_size=8, num_labels=3)),
    'electra_token': ('ElectraForTokenClassification', 'ElectraConfig', dict(
        _BERT, embedding_size=8)),
    'roberta': ('RobertaForMaskedLM', 'RobertaConfig', dict(
        _BERT, type_vocab_size=1)),
    'electra': ('ElectraForPreTraining', 'ElectraConfig', dict(
        _BERT, embedding_size=8)),
    'electra_generator': ('ElectraForMaskedLM', 'ElectraConfig', dict(
        _BERT, embedding_size=8)),
    'albert': ('AlbertForPreTraining', 'AlbertConfig', dict(
        _BERT, embedding_size=8, num_hidden_layers=3)),
    'mpnet': ('MPNetForMaskedLM', 'MPNetConfig', _BERT),
    'deberta': ('DebertaV2ForMaskedLM', 'DebertaV2Config', _DEBERTA),
    'deberta_untied': ('DebertaV2ForMaskedLM', 'DebertaV2Config', dict(
        _DEBERTA, tie_word_embeddings=False, type_vocab_size=2,
        position_buckets=-1, max_relative_positions=3)),
    'deberta_convolution': ('DebertaV2ForMaskedLM', 'DebertaV2Config', dict(
        _DEBERTA, conv_kernel_size=3, conv_act='gelu')),
    'deberta_not_legacy': ('DebertaV2ForMaskedLM', 'DebertaV2Config', dict(
        _DEBERTA, legacy=False)),
    'deberta_bare': ('DebertaV2Model', 'DebertaV2Config', _DEBERTA),
    **_tasks('deberta', 'DebertaV2', _DEBERTA),
    'xlnet': ('XLNetLMHeadModel', 'XLNetConfig', _XLNET),
    'xlnet_untied': ('XLNetLMHeadModel', 'XLNetConfig', dict(
        _XLNET, ff_activation='relu', tie_word_embeddings=False)),
    'xlnet_bare': ('XLNetModel', 'XLNetConfig', _XLNET),
    **_tasks('xlnet', 'XLNet', _XLNET, 'QuestionAnsweringSimple'),
    'llama': ('LlamaForCausalLM', 'LlamaConfig', dict(
        _LLAMA, rope_theta=500.0)),
    'llama_tied': ('LlamaForCausalLM', 'LlamaConfig', dict(
        _LLAMA, head_dim=6, tie_word_embeddings=True)),
    'mistral': ('MistralForCausalLM', 'MistralConfig', dict(
        _LLAMA, sliding_window=4)),
    'qwen2': ('Qwen2ForCausalLM', 'Qwen2Config', _LLAMA),
    'gpt_neo': ('GPTNeoForCausalLM', 'GPTNeoConfig', _GPT_NEO),
    **_tasks('gpt2', 'GPT2', dict(_GPT2, pad_token_id=0)),
    'gpt_neo_sequence': (
        'GPTNeoForSequenceClassification', 'GPTNeoConfig', dict(
            _GPT_NEO, pad_token_id=0)),
    'gpt_neo_token': ('GPTNeoForTokenClassification', 'GPTNeoConfig',
                      _GPT_NEO),
    'llama_sequence': ('LlamaForSequenceClassification', 'LlamaConfig', dict(
        _LLAMA, pad_token_id=0)),
    'llama_token': ('LlamaForTokenClassification', 'LlamaConfig', _LLAMA),
    'llama_span': ('LlamaForQuestionAnswering', 'LlamaConfig', _LLAMA),
    'mistral_sequence': (
        'MistralForSequenceClassification', 'MistralConfig', dict(
            _LLAMA, sliding_window=4, pad_token_id=0)),
    'mistral_span': ('MistralForQuestionAnswering', 'MistralConfig', dict(
        _LLAMA, sliding_window=4)),
    'qwen2_sequence': ('Qwen2ForSequenceClassification', 'Qwen2Config', dict(
        _LLAMA, pad_token_id=0)),
    't5_sequence': ('T5ForSequenceClassification', 'T5Config', dict(
        _T5, num_labels=3, decoder_start_token_id=0)),
    't5_v11_sequence': ('T5ForSequenceClassification', 'T5Config', dict(
        _T5, feed_forward_proj='gated-gelu', tie_word_embeddings=False,
        decoder_start_token_id=0)),
    't5_span': ('T5ForQuestionAnswering', 'T5Config', dict(
        _T5, decoder_start_token_id=0)),
    't5_bare': ('T5Model', 'T5Config', _T5),
    't5_token': ('T5ForTokenClassification', 'T5Config', dict(
        _T5, num_labels=5)),
    't5_v11_token': ('T5ForTokenClassification', 'T5Config', dict(
        _T5, feed_forward_proj='gated-gelu', tie_word_embeddings=False)),
    't5_encoder': ('T5EncoderModel', 'T5Config', _T5),
    't5_v11_encoder': ('T5EncoderModel', 'T5Config', dict(
        _T5, feed_forward_proj='gated-gelu', num_decoder_layers=1,
        tie_word_embeddings=False)),
    'mt5': ('MT5ForConditionalGeneration', 'MT5Config', _T5),
    'mt5_untied': ('MT5ForConditionalGeneration', 'MT5Config', _T5),
    'mt5_token': ('MT5ForTokenClassification', 'MT5Config', _T5),
    'mt5_encoder': ('MT5EncoderModel', 'MT5Config', _T5),
    't5': ('T5ForConditionalGeneration', 'T5Config', _T5),
    't5_v11': ('T5ForConditionalGeneration', 'T5Config', dict(
        _T5, feed_forward_proj='gated-gelu', tie_word_embeddings=False)),
    'bart': ('BartForConditionalGeneration', 'BartConfig', dict(
        _BART, scale_embedding=True)),
    'bart_sequence': ('BartForSequenceClassification', 'BartConfig', dict(
        _BART, num_labels=3)),
    'bart_span': ('BartForQuestionAnswering', 'BartConfig', _BART),
    'bart_bare': ('BartModel', 'BartConfig', _BART),
    'pegasus': ('PegasusForConditionalGeneration', 'PegasusConfig', dict(
        _BART, activation_function='relu')),
}
_ENCODERS = {'roberta': ('Roberta', dict(_BERT, type_vocab_size=1)),
             'albert': ('Albert', dict(_BERT, embedding_size=8)),
             'mpnet': ('MPNet', _BERT),
             'electra': ('Electra', dict(_BERT, embedding_size=8))}
_DECODERS = {'gpt2': ('GPT2', _GPT2), 'gpt_neo': ('GPTNeo', _GPT_NEO),
             'llama': ('Llama', _LLAMA),
             'mistral': ('Mistral', dict(_LLAMA, sliding_window=4)),
             'qwen2': ('Qwen2', _LLAMA)}
# Heads whose names other cases have compared already, and trunks alone.
SHARED = {one: case for one, case in {
    **{key: case for family, (kind, settings) in {
        **_ENCODERS, **_DECODERS}.items() for key, case in {
            **_tasks(family, kind, dict(settings, pad_token_id=0)),
            f'{family}_bare': (f'{kind}Model', f'{kind}Config', settings),
        }.items()},
    **_tasks('mt5', 'MT5', dict(_T5, decoder_start_token_id=0)),
    'mt5_bare': ('MT5Model', 'MT5Config', _T5),
    'pegasus_bare': ('PegasusModel', 'PegasusConfig', dict(
        _BART, activation_function='relu'))}.items() if one not in CASES}
# Tensors that a published model holds and does not read.
UNUSED = dict.fromkeys(('bert_untied', 'deberta_untied'),
                       {'cls.predictions.bias'})
# What the tests without transformers read; the others differ in little.
COMMITTED = (
    'gpt2', 'gpt2_sequence', 'bert_pretraining', 'roberta', 'electra',
    'albert', 'mpnet', 'deberta_sequence', 'deberta_not_legacy',
    'deberta_convolution', 'xlnet', 'xlnet_sequence', 'llama', 'gpt_neo',
    'bert_sequence', 't5', 't5_v11', 't5_sequence', 't5_token', 'bart',
    'bart_sequence',
    'pegasus')


def is_bare(name):
  """Whether a case is a trunk without a head."""
  return not any(one in {**CASES, **SHARED}[name][0]
                 for one in ('For', 'LMHead'))


def publish(name, folder, dtype='float32'):
  """Makes a random model of transformers and saves it; the model."""
  import torch
  import transformers
  cls, settings, values = {**CASES, **SHARED}[name]
  torch.manual_seed(len(name))
  made = getattr(transformers, cls)(getattr(transformers, settings)(
      **values)).eval()
  if name in ('t5_v11', 'mt5_untied'):
    # transformers ties these at first, whatever it is told.
    made.lm_head.weight = torch.nn.Parameter(torch.zeros_like(
        made.shared.weight))
  with torch.no_grad():
    for parameter in made.parameters():
      # Norms and biases too are not at 1 and 0, so that none is forgotten.
      if parameter.requires_grad:
        parameter.add_(torch.randn_like(parameter) * 0.2)
  made = made.to(getattr(torch, dtype))
  made.save_pretrained(folder)
  return made


def batch(run, seed=0):
  """A stack dict of padded rows, and what each place should predict."""
  objective = run.objective
  if objective.model.form == 'encoder_decoder':
    encoder, _, _ = _rows(objective, seed)
    decoder, targets, weights = _rows(objective, seed + 1)
    if run.finetune:  # its decoder reads the same text, and finds its end
      encoder['inputs'][range(len(LENGTHS)), np.array(LENGTHS) - 1] = (
          objective.vocabulary.eos_id)
      decoder['inputs'] = np.stack([
          arrange.shift_right(*rows, objective.start_id) for rows in zip(
              encoder['inputs'], encoder['segment_ids'], strict=True)])
    return {f'{side}_{name}': value for side, rows in (
        ('encoder', encoder), ('decoder', decoder))
            for name, value in rows.items()}, targets, weights
  return _rows(objective, seed)


def _rows(objective, seed):
  rng = np.random.default_rng(seed)
  segments = (np.arange(LENGTH)[None] < np.array(LENGTHS)[:, None]).astype(
      np.int32)
  # Padding is shown as the published model's own id of it.
  pad = objective.vocabulary.pad_id
  ids = np.where(segments, rng.integers(5, VOCAB, segments.shape), pad)
  stack = {'inputs': ids.astype(np.int32), 'segment_ids': segments,
           'positions': np.arange(LENGTH, dtype=np.int32)[None] * segments}
  types = max(objective.model.num_token_types,
              3 * objective.model.relative_types)
  if types > 1:
    stack['token_types'] = rng.integers(0, types, ids.shape).astype(
        np.int32) * segments
  targets = rng.integers(5, VOCAB, segments.shape).astype(np.int32)
  return stack, targets, segments.astype(np.float32)


def compute(run, stack, targets, weights, bare=False):
  """Everything of a model here, in one program.

  Returns:
    `states` of every depth, `scores` or None, `loss` and the trunk's `grads`.
  """
  objective = run.objective

  def loss(trunk, params):
    params = {**params, 'trunk': trunk}
    hidden, sown = objective.trunk().apply(
        {'params': trunk}, stack, mutable=['intermediates'])
    # What leaves an encoder is seen in what the decoder makes of it.
    found = {'states': [state for stack in sorted(
        {'stack', 'encoder', 'decoder'} & set(sown['intermediates']),
        reverse=True) for state in entering_states(
            sown['intermediates'][stack])] + [hidden]}
    if bare:
      return (hidden * weights[..., None]).sum(), found
    found['scores'] = check.scores(run, params, hidden, weights > 0)
    if 'task' in params:
      return _squares(found['scores'], weights), found
    if hasattr(objective, '_judge'):
      term = losses.binary_cross_entropy(
          found['scores'][..., 0], targets % 2, weights)
    else:
      parts = [objective, *getattr(objective, 'members', {}).values()]
      part = next(part for part in parts if hasattr(part, '_head'))
      term = losses.cross_entropy(
          *base.apply_head(part._head(), params, hidden, objective.model),
          targets, weights)
    return term.sum / term.weight, found

  grads = jax.jit(jax.value_and_grad(loss, has_aux=True))
  (value, found), grads = grads(run.params['trunk'], run.params)
  return {**jax.device_get(found), 'loss': float(value),
          'grads': jax.device_get(grads)}


def _squares(scores, weights):
  """A loss of a task's scores; those of padding do not count."""
  if scores.ndim == 3:
    scores = scores * weights[..., None]
  return (scores ** 2).mean()


def redrawn(run, seed=3):
  """The same model with other random parameters."""
  rng = np.random.default_rng(seed)
  return dataclasses.replace(run, params=jax.tree_util.tree_map_with_path(
      lambda path, leaf: jnp.asarray(
          (path[-1].key == 'scale') + 0.3 * rng.normal(size=leaf.shape),
          leaf.dtype), run.params))


def forward(run, stack, bare=False):
  """The scores, or states where there is no head, without compiling much."""
  hidden = check.states(run.objective, run.params, stack)
  if bare:
    return np.asarray(hidden)
  side = 'decoder_' * (run.objective.model.form == 'encoder_decoder')
  real = stack[f'{side}segment_ids'] > 0
  return np.asarray(check.scores(run, run.params, hidden, real))


_ARGUMENTS = {
    'inputs': 'input_ids', 'segment_ids': 'attention_mask',
    'token_types': 'token_type_ids', 'encoder_inputs': 'input_ids',
    'encoder_segment_ids': 'attention_mask',
    'decoder_inputs': 'decoder_input_ids',
    'decoder_segment_ids': 'decoder_attention_mask'}


def ask(peer, *batch):
  """The same of a model of transformers, its gradients left in it."""
  if peer.config.model_type != 'xlnet':
    return _ask(peer, *batch)
  # It classifies by the end of a row, so padding comes first there.
  found = _ask(peer, *jax.tree.map(_padded_left, batch))
  return {name: jax.tree.map(_padded_right, value) for name, value in
          found.items()}


def _padded_left(rows):
  return np.stack([np.roll(row, LENGTH - count, 0)
                   for row, count in zip(rows, LENGTHS, strict=True)])


def _padded_right(rows):
  """The inverse, of what has a row for each token."""
  if np.ndim(rows) < 3:
    return rows
  return np.stack([np.roll(row, count, 0)
                   for row, count in zip(rows, LENGTHS, strict=True)])


def _ask(peer, stack, targets, weights):
  import torch
  of_task = any(one in type(peer).__name__ for one in TASKS.values())
  arguments = {theirs: torch.as_tensor(stack[ours]).long()
               for ours, theirs in _ARGUMENTS.items() if ours in stack
               # A task's model makes what its decoder reads.
               and not (of_task and ours.startswith('decoder_'))}
  found = peer(**arguments, output_hidden_states=True)
  states = (found.hidden_states if 'inputs' in stack else
            [*found.encoder_hidden_states[:-1], *found.decoder_hidden_states])
  result = {'states': [one.detach().numpy() for one in states]}
  named, scores = check.peer_scores(found)
  weights = torch.as_tensor(weights)
  if not named:
    loss = (found.last_hidden_state * weights[..., None]).sum()
  else:
    targets = torch.as_tensor(targets).long()
    result['scores'] = scores.detach().numpy()
    if of_task:
      loss = _squares(scores, weights)
      loss.backward()
      return {**result, 'loss': loss.item()}
    if scores.ndim == 2:
      each = torch.nn.functional.binary_cross_entropy_with_logits(
          scores, (targets % 2).float(), reduction='none')
    else:
      each = torch.nn.functional.cross_entropy(
          scores.transpose(1, 2), targets, reduction='none')
    loss = (each * weights).sum() / weights.sum()
  loss.backward()
  return {**result, 'loss': loss.item()}


def write_fixtures(names):
  """Writes committed models and what they give."""
  import shutil
  import torch
  from safetensors.numpy import save_file
  from ptm_jax.load import load
  for name in names:
    folder = FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    peer = publish(name, folder)
    for extra in folder.glob('generation_config.json'):
      extra.unlink()
    stack, targets, weights = batch(load(folder))
    with torch.enable_grad():
      found = ask(peer, stack, targets, weights)
    save_file({'scores': found.get('scores', found['states'][-1])},
              folder / 'expected.safetensors')
    print(f'{folder}: loss {found["loss"]:.4f}')


if __name__ == '__main__':
  write_fixtures(sys.argv[1:] or COMMITTED)
