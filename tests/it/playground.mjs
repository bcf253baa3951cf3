// Follows the page of `acme graph --serve` in headless Chromium or Chrome, and prints what was seen: node playground.mjs BROWSER URL FOLDER
// It prints `ready` when the page is open, and `applied` when it has shown the end of the run.
import { inTab } from './tab.mjs';

const [executablePath, url, folder] = process.argv.slice(2);

await inTab(executablePath, url, async (tab, seen) => {
  const text = selector => tab.$eval(selector, one => one.innerText);
  const until = async what => {
    try {
      await tab.waitForFunction(what, { timeout: 60_000 });
    } catch (error) {
      throw new Error(`${what}: ${error.message}\n${await tab.evaluate(() => document.querySelector('nav')?.innerText)}\n${seen.errors.join('\n')}`);
    }
  };

  await until(() => document.getElementById('plan').innerText !== '' && document.getElementById('status').className === 'good');
  seen.before = { plan: await text('#plan'), run: await text('#run'), history: await text('#history') };
  seen.costs = { sum: await text('#costs .sum'), rows: await tab.$$eval('#costs tbody tr', all => all.map(row => row.innerText)), wide: await tab.$eval('nav', nav => nav.scrollWidth > nav.clientWidth) };
  await tab.screenshot({ path: `${folder}/playground-before.png` });
  console.log('ready');

  // A run of another process.
  await until(() => document.querySelector('.node.running') && document.querySelectorAll('.node.done').length > 5);
  seen.during = { run: await text('#run'), running: await tab.$$eval('.node.running', all => all.length) };
  await tab.screenshot({ path: `${folder}/playground-during.png` });
  await until(() => /done, \d+:\d\d/.test(document.getElementById('run').innerText) && document.getElementById('plan').innerText.includes('No changes') && document.getElementById('history').innerText.includes('done'));
  seen.after = { run: await text('#run'), plan: await text('#plan'), history: await text('#history') };
  seen.left = await tab.$$eval('.node.running, .node.failed', all => all.length);
  await tab.click('.node[aria-label="vpc.main"]');
  seen.chosen = await text('#panel');
  await tab.click('#history a');
  await until(() => document.getElementById('panel').innerText.startsWith('Revision 1'));
  seen.revision = await text('#panel');
  await tab.screenshot({ path: `${folder}/playground-after.png` });
  console.log('applied');

  // An edited definition: the page draws the new resource, and shows mistakes.
  await until(() => document.querySelector('.node[aria-label="vpc.second"]') && document.getElementById('plan').innerText.includes('1 to create'));
  seen.edited = await text('#plan');
  console.log('edited');
  await until(() => document.querySelector('#plan .problem'));
  seen.problem = await text('#plan');
  await tab.screenshot({ path: `${folder}/playground-problem.png` });
});
