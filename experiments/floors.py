"""Every objective with a floor on one language whose law is known.

Loss, floor, the excess in nats a prediction, and the share of the possible
gain, from the best constant predictor to the floor, that was reached: figures
that mean the same for every objective. Noise shows `[MASK]` alone, but in
`masked_noisy`, which has BERT's channel, and where other tokens are told from
the text's. Replaced and shuffled tokens have bounds, the rest exact floors.

  python experiments/floors.py --workdir=runs/floors
  python experiments/floors.py --config=:tiny --workdir=runs/floors-tiny

The language is a hidden Markov chain of 8 states and 64 symbols; a state stays
with a chance of .8, in windows of 64. One seed each by default.

Time: 2 to 4 minutes of two free cores an objective, 64 for all; tiny 6 minutes.
Result: autoregressive 98.8 % of the possible gain, masked 94.8 %, the least of
an exact floor 81.9 % (blank infilling), and 45.4 % of what a bound leaves to the
detector of replaced tokens; none below its floor. The table is in the README.
"""

from ptm_jax import config, presets
from ptm_jax.data.corpora import source
from ptm_jax.objectives import (autoregressive, bidirectional_lm,
                                blank_infilling, fill_in_the_middle, fragment,
                                iid_denoising, masked, masked_diffusion,
                                masked_next_token, mixture_of_denoisers,
                                permutation, permuted_masked, prefix_lm,
                                replaced_token, shuffled_token, span_boundary,
                                span_corruption, substituted_token, unilm)

_MASKS = {'mask_share': 1.0, 'random_share': 0.0}


def get_config(arg=None):
  """'small' (under 5 minutes an objective on two cores) or 'tiny'."""
  size, kinds = presets.parse(arg, sizes=('small', 'tiny'), kinds=('corpus',))
  tiny = size == 'tiny'
  base = config.Experiment(
      objective=autoregressive.Objective(),
      corpus=kinds.get('corpus', source.Corpus(
          num_documents=4000 if tiny else 80_000)),
      model=config.Model(depth=2, width=32 if tiny else 128,
                         num_heads=2 if tiny else 4,
                         mlp_dim=128 if tiny else 256, positions='rotary'),
      data=config.Data(raw_length=64, batch_size=16 if tiny else 64),
      optimizer=config.Optimizer(
          learning_rate=3e-3, schedule='linear',
          warmup_steps=5 if tiny else 100, weight_decay=0.0),
      num_steps=50 if tiny else 1000)
  base.checkpoints.every_steps = base.num_steps // 2
  # Often, for the curve of the excess.
  base.evaluation.every_steps = base.num_steps // (5 if tiny else 25)
  base.evaluation.num_batches = 4
  return config.Comparison(base=base, runs={
      'autoregressive': autoregressive.Objective(),
      'prefix_lm': prefix_lm.Objective(),
      'bidirectional_lm': bidirectional_lm.Objective(),
      'masked': masked.Objective(**_MASKS),
      'masked_noisy': masked.Objective(),
      'masked_spans': masked.Objective(unit='span', **_MASKS),
      'span_boundary': span_boundary.Objective(**_MASKS),
      'permutation': permutation.Objective(),
      'permuted_masked': permuted_masked.Objective(**_MASKS),
      'unilm': unilm.Objective(**_MASKS),
      'masked_next_token': masked_next_token.Objective(**_MASKS),
      'fragment': fragment.Objective(**_MASKS),
      'span_corruption': span_corruption.Objective(),
      'iid_denoising': iid_denoising.Objective(),
      'mixture_of_denoisers': mixture_of_denoisers.Objective(),
      'blank_infilling': blank_infilling.Objective(),
      'fill_in_the_middle': fill_in_the_middle.Objective(),
      'masked_diffusion': masked_diffusion.Objective(),
      'substituted_token': substituted_token.Objective(),
      'replaced_token': replaced_token.Objective(),
      'shuffled_token': shuffled_token.Objective()}, seeds=(0,))


if __name__ == '__main__':
  from ptm_jax.__main__ import run_experiment
  run_experiment(__file__)
