"""C3 without training: the choice that scores best behind text and question
(Sun et al. 2020, arXiv:1904.09679)."""

from ptm_jax.tasks import c3, choice, zero_shot


class Task(choice.Task):
  """As `choice`, on the development set."""

  def read(self, data_dir):
    path = self.file(data_dir, 'dev.json')
    layout = c3.Task.layouts[-1]
    examples = [c3.Task().example(row, layout.columns, f'{path} {number}')
                for number, row in c3.rows.read(path, layout.reader)]
    return [zero_shot.Example(
        ('\n'.join(one.texts) + ' ', *one.label[0]), one.label[1], one.where)
            for one in examples]
