"""The ways a run can end, each with its exit code and a one-line message.

Raise one of these with a sentence that says what was found and what to do;
`ptm_jax.__main__` prints the sentence and exits with the class's code.
"""


class PtmError(Exception):
  """An error the user can act on: one line, no traceback."""

  exit_code = 1


class ConfigError(PtmError):
  """A setting, a flag or a combination of them that cannot work."""

  exit_code = 2


class DataError(PtmError):
  """A corpus, a tokenizer file or a task file that cannot be used."""

  exit_code = 3


class CheckpointError(PtmError):
  """No usable checkpoint, or one that belongs to another run."""

  exit_code = 4


class DivergedError(PtmError):
  """Training met too many non-finite steps and halted."""

  exit_code = 5


class Stopped(PtmError):
  """A signal stopped the run after its state was saved."""

  exit_code = 75
