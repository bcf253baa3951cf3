// Opens a page in headless Chromium or Chrome, uses it as people do, and prints what was seen: node browser.mjs BROWSER PAGE SCREENSHOT
import { pathToFileURL } from 'node:url';
import { inTab } from './tab.mjs';

const [executablePath, page, screenshot] = process.argv.slice(2);

await inTab(executablePath, pathToFileURL(page), async (tab, seen) => {
  const panel = () => tab.$eval('#panel', panel => panel.hidden ? null : { title: panel.querySelector('h2').textContent, text: panel.textContent, bold: panel.querySelectorAll('b').length });
  const node = address => `.node[aria-label="${address}"]`;
  const boxes = () => tab.$$eval('.node', all => all.map(one => { const { left, top, right, bottom } = one.querySelector('rect').getBoundingClientRect(); return { left, top, right, bottom }; }));

  seen.size = { width: 1600, height: 1000 };
  seen.boxes = await boxes();
  seen.header = await tab.$eval('header', header => header.getBoundingClientRect().bottom);
  seen.before = await panel();
  await tab.click(node('rds_instance.orders'));
  seen.clicked = await panel();
  seen.chosen = await tab.evaluate(() => {
    const { right } = document.querySelector('.node.chosen rect').getBoundingClientRect();
    return { right, room: document.getElementById('drawing').getBoundingClientRect().right };
  });
  seen.near = await tab.$$eval('.edge.near', edges => edges.length);
  await tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
  await tab.screenshot({ path: screenshot });
  await tab.emulateMediaFeatures([]);
  await tab.$$eval('#panel button.link', links => links.find(link => link.textContent === 'kms_key.main').click());
  seen.followed = await panel();
  await tab.keyboard.press('Escape');
  seen.escaped = await panel();
  await tab.$eval(node('secret.session-key'), box => box.focus());
  await tab.keyboard.press('Enter');
  seen.entered = await panel();
  await tab.keyboard.press('Escape');

  await tab.type('#search', 'nat_gateway');
  seen.found = await tab.$$eval('.node:not(.dim)', all => all.map(one => one.getAttribute('aria-label')));
  await tab.click('#in');
  seen.closer = await boxes();
  await tab.click('#fit');
  seen.fitted = await boxes();
});
