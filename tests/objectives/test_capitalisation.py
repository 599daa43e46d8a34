"""Capitalisation: the card's labels; only text in lower case will do."""

import jax
import numpy as np
import pytest

from ptm_jax import config
from ptm_jax.assemble import first_error
from ptm_jax.data.corpora import python_docs
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import capitalisation
from tests.objectives import test_token_document
from tests.objectives.cases import bound
from tests.objectives.words import show, window

FIELDS = {}
LEARNS = {'capitalisation': 0.5}
rebuild = test_token_document.rebuild


def test_labels_by_hand():
  # 'Apple sells an apple', the second word of two pieces.
  text = window('a s l n a')
  text['flags'] = np.asarray([15, 1, 0, 1, 1], np.uint8)
  one = bound('capitalisation', length=5).corrupt(jax.random.key(0), text)
  assert show(one['inputs']) == '[CLS] a s l n a [SEP]'
  assert one['labels'].tolist() == [0, 1, 0, 0, 0, 0, 0]
  assert one['weights'].tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_text_with_capitals_is_refused():
  experiment = config.Experiment(objective=capitalisation.Objective(),
                                 corpus=python_docs.Corpus())
  with pytest.raises(ConfigError, match='tokenizer.lower_case=True'):
    first_error([experiment])
  experiment.tokenizer.lower_case = True
  first_error([experiment])
