"""Settings of the Transformer: shape, blocks, form, precision."""

import dataclasses

from ptm_jax import checks
from ptm_jax.errors import ConfigError


@dataclasses.dataclass
class Model:
  """One Transformer, described (DESIGN, section 5).

  Attributes:
    name: module of `models/` that defines the trunk.
    form: 'encoder', 'decoder', 'prefix', 'encoder_decoder', 'two_tower',
      'two_stream' or 'embedding' (a table); 'auto' takes the objective's first.
    depth: layers in all; an encoder-decoder has half in each stack.
    width: of the residual stream.
    num_heads: attention heads; must divide `width`.
    num_kv_heads: heads of keys and values; None means `num_heads`.
    head_dim: width of a head; None means width / num_heads.
    mlp_dim: hidden width of the feed-forward; None means 4 x width.
    activation: 'gelu' (exact), 'gelu_tanh', 'relu', 'silu', or the gated
      'swiglu', 'geglu'.
    norm: 'layer' or 'rms'.
    norm_epsilon: added to the variance before its root.
    norm_position: 'pre' or 'post' (of the residual sum).
    embedding_norm: whether the summed embeddings are normalised.
    positions: 'learned', 'sinusoidal', 'rotary', 't5' (relative bias),
      'learned_t5' (both, as MPNet has them),
      'alibi', 'transformer_xl', 'disentangled' or 'disentangled_v2' (see
      `models.relative`) or 'none'.
    max_length: positions a stack can see, special tokens included.
    position_offset: rows of a learned table before that of position 0, which
      nothing reads (RoBERTa's and BART's tables).
    rotary_base: of the wavelengths of 'rotary' positions.
    distance_buckets: rows of a 'disentangled_v2' table for the distances to
      one side, half of them exact and half logarithmic; 0 means one for each
      distance up to `max_length`.
    convolution_width: tokens that DeBERTa v2's convolution beside the first
      layer reads, its own in the middle (`models.convolution`); 0 means none.
    convolution_activation: behind it, 'tanh' or 'gelu'.
    attention_window: tokens up to and including its own that a causal query
      sees in the layers with a window; None means all.
    window_every: of so many layers the last has the window; 1 means all.
    num_token_types: rows of the segment embedding; 0 means none.
    relative_types: whether 'transformer_xl' scores also tell two tokens of one
      type from two of different types (XLNet).
    query_embedding: whether the queries of two streams begin as a vector of
      their own (XLNet); else as what is shown in their place, `[MASK]`.
    embedding_width: width of a factorised embedding; None means `width`.
    enhanced_decoder: whether the last layer is DeBERTa's, which alone learns
      absolute positions (`models.transformer.EnhancedDecoder`).
    num_experts: feed-forwards among which every second layer chooses
      (`models.experts`); 0 means none.
    expert_capacity: an expert's places as a multiple of its share of tokens.
    router_jitter: relative size of the noise of what the router reads.
    balance_weight: factor of the loss that balances the experts.
    scale_embeddings: whether embeddings are multiplied by sqrt(width).
    scale_head: whether states are divided by sqrt(width) before a tied
      vocabulary head (T5 v1.0), whose table begins larger by as much.
    share_layers: whether all layers of a stack share their parameters.
    use_bias: whether dense layers and layer norms have biases.
    qkv_bias: whether queries, keys, those of distances too, and values do;
      None means `use_bias`.
    output_bias: whether attention's output does; None means `use_bias`.
    decoder_start: 'bos', 'eos' (published BART) or 'pad' (published T5), the
      token that what is written starts from, given what is read.
    pooler_place: 'first' or 'last' (XLNet), the state that a pooler reads.
    pooler_activation: of a pooler, 'tanh' or 'gelu' (DeBERTa, ELECTRA).
    dropout: fraction dropped from embeddings and residual branches.
    attention_dropout: fraction of attention weights dropped.
    scale_attention: whether scores are divided by sqrt(head_dim).
    tied_head: whether the vocabulary head reuses the token embedding.
    init_scale: standard deviation of the initial weights.
    dtype: of the computation, 'float32' or 'bfloat16'.
    param_dtype: of the parameters.
    scan_layers: compile one layer and scan over the stack.
    remat: recompute each layer's activations in the backward pass.
  """

  name: str = 'transformer'
  form: str = 'auto'
  depth: int = 2
  width: int = 64
  num_heads: int = 2
  num_kv_heads: int | None = None
  head_dim: int | None = None
  mlp_dim: int | None = None
  activation: str = 'gelu'
  norm: str = 'layer'
  norm_epsilon: float = 1e-6
  norm_position: str = 'pre'
  embedding_norm: bool = False
  positions: str = 'learned'
  max_length: int = 512
  position_offset: int = 0
  rotary_base: float = 10_000.0
  distance_buckets: int = 0
  convolution_width: int = 0
  convolution_activation: str = 'tanh'
  attention_window: int | None = None
  window_every: int = 1
  num_token_types: int = 0
  relative_types: bool = False
  query_embedding: bool = False
  embedding_width: int | None = None
  enhanced_decoder: bool = False
  num_experts: int = 0
  expert_capacity: float = 1.25
  router_jitter: float = 0.01
  balance_weight: float = 0.01
  scale_embeddings: bool = False
  scale_head: bool = False
  share_layers: bool = False
  use_bias: bool = True
  qkv_bias: bool | None = None
  output_bias: bool | None = None
  decoder_start: str = 'bos'
  pooler_place: str = 'first'
  pooler_activation: str = 'tanh'
  dropout: float = 0.0
  attention_dropout: float = 0.0
  scale_attention: bool = True
  tied_head: bool = True
  init_scale: float = 0.02
  dtype: str = 'float32'
  param_dtype: str = 'float32'
  scan_layers: bool = False
  remat: bool = False

  _CHOICES = {
      'form': ('auto', 'encoder', 'decoder', 'prefix', 'encoder_decoder',
               'two_tower', 'two_stream', 'embedding'),
      'activation': ('gelu', 'gelu_tanh', 'relu', 'silu', 'swiglu', 'geglu'),
      'norm': ('layer', 'rms'),
      'norm_position': ('pre', 'post'),
      'positions': ('learned', 'sinusoidal', 'rotary', 't5', 'learned_t5',
                    'alibi', 'transformer_xl', 'disentangled',
                    'disentangled_v2', 'none'),
      'decoder_start': ('bos', 'eos', 'pad'),
      'pooler_place': ('first', 'last'),
      'pooler_activation': ('tanh', 'gelu'),
      'convolution_activation': ('tanh', 'gelu'),
      'dtype': ('float32', 'bfloat16'),
      'param_dtype': ('float32', 'bfloat16'),
  }

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.choices(self, 'model', self._CHOICES)
    checks.positive(self, 'model', 'depth', 'width', 'num_heads', 'max_length',
                    'norm_epsilon', 'rotary_base', 'window_every')
    if self.depth > 10_000:  # every layer is traced
      raise ConfigError(f'model.depth={self.depth}: the limit is 10,000')
    if self.position_offset < 0:
      raise ConfigError(f'model.position_offset={self.position_offset} is '
                        'negative; 0 means none')
    if self.head_dim is None and self.width % self.num_heads:
      raise ConfigError(
          f'model.num_heads={self.num_heads} does not divide model.width='
          f'{self.width}: choose a divisor, such as '
          f'{checks.largest_divisor(self.width, self.num_heads)}')
    kv_heads = self.num_kv_heads or self.num_heads
    if kv_heads < 1 or self.num_heads % kv_heads:
      raise ConfigError(f'model.num_kv_heads={kv_heads} must divide '
                        f'model.num_heads={self.num_heads}')
    for name in ('mlp_dim', 'embedding_width', 'head_dim',
                 'attention_window'):
      if getattr(self, name) is not None:
        checks.positive(self, 'model', name)
    self._check_relative(kv_heads)
    if self.enhanced_decoder and (
        self.norm_position != 'post' or self.depth < 2):
      raise ConfigError(
          'model.enhanced_decoder needs norm_position=post and 2 or more '
          f'layers, found {self.norm_position} and model.depth={self.depth}')
    checks.fraction(self, 'model', 'dropout', 'attention_dropout',
                    'router_jitter')
    checks.positive(self, 'model', 'expert_capacity')
    if self.num_experts < 0 or self.num_experts == 1:
      raise ConfigError(f'model.num_experts={self.num_experts}: 2 or more are '
                        'a choice; 0 means none')
    if self.balance_weight < 0:
      raise ConfigError(f'model.balance_weight={self.balance_weight} is '
                        'negative; 0 means no balancing')
    if self.num_experts and (
        self.share_layers or self.scan_layers or self.enhanced_decoder):
      raise ConfigError(
          'model.num_experts is for layers that differ, every second of them: '
          'not with share_layers, scan_layers or enhanced_decoder')
    if self.attention_window and self.window_every > 1 and (
        self.share_layers or self.scan_layers):
      raise ConfigError(
          f'model.window_every={self.window_every} is for layers that differ: '
          'not with share_layers or scan_layers')
    if self.convolution_width and (
        self.convolution_width % 2 == 0 or self.convolution_width < 0
        or self.norm_position != 'post' or self.share_layers
        or self.scan_layers):
      raise ConfigError(
          f'model.convolution_width={self.convolution_width} must be odd, and '
          'is for norm_position=post and layers that differ: not with '
          'share_layers or scan_layers')
    if self.num_token_types < 0:
      raise ConfigError(f'model.num_token_types={self.num_token_types} is '
                        'negative; 0 means none')

  def _check_relative(self, kv_heads):
    if self.positions == 'transformer_xl' and self.width % 2:
      raise ConfigError(f'model.positions=transformer_xl needs an even width, '
                        f'found model.width={self.width}')
    if self.positions == 'rotary' and self.head_width % 2:
      raise ConfigError(f'model.positions=rotary needs an even head width, '
                        f'found {self.head_width}')
    if self.relative_types and self.positions != 'transformer_xl':
      raise ConfigError('model.relative_types is for positions=transformer_xl, '
                        f'found {self.positions}')
    if self.relative_types and self.num_token_types:  # a pair has three
      raise ConfigError('model.relative_types compares types, which then have '
                        'no rows of their own: set model.num_token_types=0, '
                        f'found {self.num_token_types}')
    if self.disentangled and kv_heads != self.num_heads:
      raise ConfigError(f'model.positions={self.positions} needs keys for '
                        f'every head, found model.num_kv_heads={kv_heads}')
    if self.distance_buckets and not (
        self.positions == 'disentangled_v2'
        and 4 <= self.distance_buckets <= self.max_length):
      raise ConfigError(
          f'model.distance_buckets={self.distance_buckets} is for positions='
          'disentangled_v2 and from 4 to max_length, found '
          f'{self.positions} and max_length={self.max_length}')

  @property
  def head_width(self):
    """Width of an attention head."""
    return self.head_dim or self.width // self.num_heads

  @property
  def learned_positions(self):
    """Whether a learned table holds `max_length` positions."""
    return self.positions in ('learned', 'learned_t5')

  @property
  def disentangled(self):
    """Whether scores are DeBERTa's."""
    return self.positions in ('disentangled', 'disentangled_v2')

  @property
  def relative_bias(self):
    """Whether scores have T5's bias."""
    return self.positions in ('t5', 'learned_t5')

  def check_form(self):
    """Raises ConfigError if the blocks cannot take the settled `form`."""
    if self.form == 'encoder_decoder' and self.depth % 2:
      raise ConfigError(f'model.depth={self.depth} must be even: an '
                        'encoder-decoder has half the layers in each stack')
    stack = self.depth // (1 + (self.form == 'encoder_decoder'))
    if self.num_experts and (stack < 2 or self.form == 'two_tower'):
      raise ConfigError(
          f'model.num_experts needs a stack of 2 or more layers, found model.'
          f'form={self.form} with model.depth={self.depth}')
    if self.attention_window and self.form != 'decoder':
      raise ConfigError('model.attention_window is for model.form=decoder, '
                        f'not {self.form}')
    if self.query_embedding and self.form != 'two_stream':
      raise ConfigError('model.query_embedding is for model.form=two_stream, '
                        f'not {self.form}')
    if self.convolution_width and self.form != 'encoder':
      raise ConfigError('model.convolution_width is for model.form=encoder, '
                        f'not {self.form}: it reads both neighbours')
    if self.form == 'two_tower' and (self.width % 2 or self.num_heads % 2):
      raise ConfigError(
          f'model.width={self.width} and num_heads={self.num_heads} must be '
          'even: each of the two towers has half of both')
    if self.form in ('encoder_decoder', 'two_tower') and (
        self.disentangled or self.enhanced_decoder):
      raise ConfigError(
          'disentangled model.positions and model.enhanced_decoder need a '
          f'single stack, not model.form={self.form}')
