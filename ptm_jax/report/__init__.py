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
  from ptm_jax.errors import CheckpointError
  from ptm_jax.report import data, markdown, page
  workdir = pathlib.Path(workdir)
  found = data.read(workdir)
  try:
    (workdir / 'report.html').write_text(page.page(found), encoding='utf8')
    (workdir / 'report.md').write_text(markdown.markdown(found),
                                       encoding='utf8')
  except OSError as error:
    raise CheckpointError(
        f'cannot write the report in {workdir}: {error.strerror}') from error
