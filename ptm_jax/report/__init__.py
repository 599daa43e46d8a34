"""Reports: `build(workdir)` writes report.html and report.md from files."""

import pathlib


def build(workdir):
  """Writes `report.html` and `report.md`; nothing but the directory's files
  is needed.

  Args:
    workdir: of a run or of a comparison, with results.json and config.json.

  Raises:
    DataError: a file is missing or damaged; the message names it.
    CheckpointError: the report cannot be written.
  """
  from ptm_jax.errors import CheckpointError, DataError
  from ptm_jax.report import (comparison, data, finetune, markdown, page,
                              sweep)
  workdir = pathlib.Path(workdir)
  found = data.read(workdir)
  view = {'sweep': sweep, 'finetune': finetune}.get(
      found.results.get('kind'), comparison)
  try:
    texts = {'report.html': page.page(found, view),
             'report.md': markdown.markdown(found, view)}
  except (ArithmeticError, AttributeError, LookupError, StopIteration,
          TypeError, ValueError) as error:
    raise DataError(f'the files in {workdir} make no report, as if one of '
                    f'them had been edited: {error!r}') from error
  try:
    for name, text in texts.items():
      (workdir / name).write_text(text, encoding='utf8')
  except OSError as error:
    raise CheckpointError(
        f'cannot write the report in {workdir}: {error.strerror}') from error
