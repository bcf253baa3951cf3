// A tab of headless Chromium or Chrome with a page, for tests.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// puppeteer-core is installed in the working folder, not beside this file.
const require = createRequire(`${process.cwd()}/`);
const { default: puppeteer } = await import(pathToFileURL(require.resolve('puppeteer-core')));

// The sandbox needs privileges that containers lack; the page is our own.
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage'];

// Opens a page, and prints as JSON what `act` adds to the errors and requests of the page.
export async function inTab(executablePath, url, act) {
  const browser = await puppeteer.launch({ executablePath, args, headless: true, timeout: 120_000, protocolTimeout: 120_000 });
  const seen = { errors: [], requests: [] };
  try {
    const tab = await browser.newPage();
    tab.on('console', message => { if (['error', 'warn'].includes(message.type())) seen.errors.push(message.text()); });
    tab.on('pageerror', error => seen.errors.push(String(error)));
    tab.on('request', request => seen.requests.push(request.url()));
    await tab.setViewport({ width: 1600, height: 1000 });
    await tab.goto(url, { waitUntil: 'load' });
    await act(tab, seen);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(seen));
}
