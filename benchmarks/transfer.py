r"""Does pre-training help? A trunk fine-tuned on tasks, and the same trunk from
scratch, five seeds each; prints the README's table.

  python experiments/roberta.py --config=:small,corpus=text \
    --config.corpus.path=DATA/en_books/books.tar.xz \
    --config.model.positions=rotary --config.num_steps=2000 \
    --config.optimizer.warmup_steps=200 --config.evaluation.tasks= \
    --workdir=runs/roberta-books     # and gpt.py; for Chinese another corpus
  python benchmarks/transfer.py --data=DATA --trunk=runs/roberta-books \
    --workdir=runs/transfer [--tasks=cola,sst2]

Every fine-tuning is a work directory below `--workdir`; what is done is not
done again, so a killed run goes on, and another trunk joins the table.
"""

import argparse
import pathlib

from ptm_jax import serialize, setup_jax
from ptm_jax.finetune import finetune
from ptm_jax.finetune_config import Settings
from ptm_jax.statistics import estimate

FOLDERS = {
    'sst2': 'cls_sentence', 'trec': 'cls_sentence',
    'cola': 'glue_cola_rte_wnli/CoLA', 'wnut17': 'ner_wnut17_wikiann/WNUT17',
    'mrpc': 'pairs_mrpc_wang_mctest/msr', 'rte': 'glue_cola_rte_wnli/RTE',
    'docstring_library': '', 'docstring_kind': '', 'paragraph_order': ''}
CHINESE = {'chnsenticorp': 'zh_tencentpretrain/datasets/chnsenticorp'}
MOST = 1000  # training and test examples of a task
EPOCHS = {'wnut17': 10}  # of others the default; fewer name no entity at all


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--data', required=True)
  parser.add_argument('--trunk', required=True)
  parser.add_argument('--workdir', required=True)
  parser.add_argument('--tasks', default=','.join(FOLDERS))
  arguments = parser.parse_args()
  setup_jax.configure()
  place = pathlib.Path(arguments.workdir)
  for task in arguments.tasks.split(','):
    folder = {**FOLDERS, **CHINESE}[task]
    for scratch in False, True:
      name = f'{pathlib.Path(arguments.trunk).name}-{task}' + (
          '-scratch' if scratch else '')
      settings = Settings(
          task=task, data_dir=f'{arguments.data}/{folder}' if folder else '',
          max_train=MOST, max_test=MOST, max_length=64, drop_leaked=True,
          epochs=EPOCHS.get(task, Settings.epochs), from_scratch=scratch)
      finetune(arguments.trunk, settings, place / name)
  print('\n'.join(table(place)))


def table(place):
  """The table of all pairs of fine-tunings that are done."""
  lines = ['| trunk, task | score | pre-trained | from scratch | gain | same '
           'answer | in pre-training | s a seed |', '|' + '---|' * 8]
  for path in sorted(place.glob('*/results.json')):
    other = path.parent.with_name(f'{path.parent.name}-scratch')
    if not (other / 'results.json').exists():
      continue
    ours, theirs = (serialize.read_json(one / 'results.json')
                    for one in (path.parent, other))
    name = f'{ours["task"]}/{ours["metric"]}'
    ours_, theirs_ = ([run['metrics'][name] for run in one['runs']]
                      for one in (ours, theirs))
    gains = [a - b for a, b in zip(ours_, theirs_, strict=True)]
    constant = ours['constant'].get(ours['metric'])
    share = ours['data']['test_in_pretraining']
    lines.append('| ' + ' | '.join([
        path.parent.name.replace('-', ', ', 1), ours['metric'], _show(ours_),
        _show(theirs_), _show(gains),
        '–' if constant is None else f'{constant:.3f}',
        '–' if share is None else f'{100 * share:.1f} %',
        f'{ours["runs"][0]["seconds"]:.0f}']) + ' |')
  return lines


def _show(values):
  one = estimate(values)
  return f'{one.mean:.3f} ± {one.half_width:.3f}'


if __name__ == '__main__':
  main()
