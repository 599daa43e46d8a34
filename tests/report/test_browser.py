"""The report in a headless Chromium: drawn, quiet and offline."""

import json
import re
import shutil
import subprocess

import pytest

from ptm_jax import report
from tests.report import fabricated

CHROMIUM = next(filter(None, map(shutil.which, (
    'chromium', 'chromium-browser', 'google-chrome'))), None)
# Whatever the page would load from elsewhere is blocked, and said aloud.
POLICY = ('<meta http-equiv="Content-Security-Policy" content="default-src '
          "'none'; img-src data:; style-src 'unsafe-inline'; script-src "
          "'unsafe-inline'\">")
# Measures every picture from inside the page and writes the sizes into the
# DOM; only this copy of the page has a script.
PROBE = '''<script>window.onload = () => {
  const sizes = [...document.querySelectorAll('svg')].map(s => {
    const box = s.getBoundingClientRect(); return [box.width, box.height,
      s.querySelectorAll('path, image, use').length]; });
  const out = document.createElement('pre'); out.id = 'sizes';
  out.textContent = JSON.stringify({sizes,
    wide: document.documentElement.scrollWidth, seen: window.innerWidth});
  document.body.append(out); };</script>'''


def chromium(tmp_path, *flags, width=1400):
  return subprocess.run(
      [CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu',
       '--no-first-run', '--disable-background-networking',
       '--disable-component-update', '--disable-sync', '--disable-quic',
       f'--user-data-dir={tmp_path / "profile"}', '--enable-logging=stderr',
       f'--window-size={width},900', *flags],
      capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason='no Chromium on PATH')
@pytest.mark.parametrize('width', [500, 1400])
def test_the_page_is_drawn_without_errors_or_requests(tmp_path, width):
  fabricated.write(tmp_path)
  report.build(tmp_path)
  page = (tmp_path / 'report.html').read_text()
  probed = tmp_path / 'probed.html'
  probed.write_text(page.replace('<head>', '<head>' + POLICY).replace(
      '</body>', PROBE + '</body>'))
  done = chromium(tmp_path, '--dump-dom', f'file://{probed}', width=width)
  found = re.search(r'<pre id="sizes">(.*?)</pre>', done.stdout)
  assert found, done.stderr[-2000:]
  measured = json.loads(found[1])
  assert len(measured['sizes']) == page.count('<svg') == 10
  for wide, high, shapes in measured['sizes']:
    assert wide > 150 and high > 60 and shapes > 3
  assert measured['wide'] <= measured['seen'], 'the page scrolls sideways'
  assert 'CONSOLE' not in done.stderr, done.stderr


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason='no Chromium on PATH')
@pytest.mark.parametrize('planted', [
    '<script>nothing.there()</script>',
    '<img src="http://127.0.0.1:9/x.png">',
    '<link rel="stylesheet" href="http://127.0.0.1:9/x.css">'])
def test_an_error_or_a_request_would_be_seen(tmp_path, planted):
  bad = tmp_path / 'bad.html'
  bad.write_text(f'<!doctype html><html><head>{POLICY}</head>{planted}')
  done = chromium(tmp_path, '--dump-dom', f'file://{bad}')
  assert 'CONSOLE' in done.stderr
