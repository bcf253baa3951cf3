// Opens a page in headless Chromium or Chrome, uses it as people do, and prints what was seen: node browser.mjs BROWSER PAGE SCREENSHOT
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// puppeteer-core is installed in the working folder, not beside this file.
const require = createRequire(`${process.cwd()}/`);
const { default: puppeteer } = await import(pathToFileURL(require.resolve('puppeteer-core')));
const [executablePath, page, screenshot] = process.argv.slice(2);

// The sandbox needs privileges that containers lack; the page is our own.
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage'];
const browser = await puppeteer.launch({ executablePath, args, headless: true, timeout: 120_000, protocolTimeout: 120_000 });
const seen = { errors: [], requests: [] };
try {
  const tab = await browser.newPage();
  tab.on('console', message => { if (['error', 'warn'].includes(message.type())) seen.errors.push(message.text()); });
  tab.on('pageerror', error => seen.errors.push(String(error)));
  tab.on('request', request => seen.requests.push(request.url()));
  await tab.setViewport({ width: 1600, height: 1000 });
  await tab.goto(pathToFileURL(page), { waitUntil: 'load' });

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
  await tab.$$eval('#panel a', links => links.find(link => link.textContent === 'kms_key.main').click());
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
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
