"""Installs ptm_jax; `pip install -e .` is enough to run every command."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r"__version__ = '([^']+)'",
                    (HERE / 'ptm_jax' / '__init__.py').read_text())[1]
METRICS = ['scikit-learn>=1.4', 'seqeval>=1.2.2', 'sacrebleu>=2.4',
           'rouge-score>=0.1.2']
SEARCH = ['optuna>=5,<6']
PARQUET = ['pyarrow>=15']
ZSTD = ['zstandard>=0.22']

setup(
    name='ptm_jax',
    version=VERSION,
    description='A laboratory for pre-training objectives in JAX/Flax',
    long_description=(HERE / 'README.md').read_text(encoding='utf8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=find_packages(include=['ptm_jax', 'ptm_jax.*']),
    install_requires=[
        'jax>=0.10,<0.12', 'flax>=0.12,<0.13', 'optax>=0.2.8,<0.3',
        'orbax-checkpoint>=0.12,<0.13', 'sentencepiece>=0.2.3,<0.3',
        'absl-py>=2.1', 'ml_collections>=1.1', 'grain>=0.2.18,<0.3',
        'safetensors>=0.5', 'matplotlib>=3.9', 'tensorboardX>=2.6.4',
        # Published vocabularies are read and written as they are by the field.
        'tokenizers>=0.21,<1', 'rich>=13'],
    extras_require={
        'test': ['pytest>=8', 'pytest-xdist[psutil]>=3.6',
                 'hypothesis>=6.100', *METRICS, *PARQUET, *SEARCH, *ZSTD],
        # The CPU build of PyTorch; elsewhere any release from it on serves.
        'peers': ['torch>=2.13.0', 'transformers>=5,<6'],
        'search': SEARCH,
        'metrics': METRICS,
        'parquet': PARQUET,
        'zstd': ZSTD,
        'cuda': ['jax[cuda13]>=0.10,<0.12'],
        'tpu': ['jax[tpu]>=0.10,<0.12'],
    })
