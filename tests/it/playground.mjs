// Follows the page of `acme graph --serve` in headless Chromium or Chrome, and prints what was seen: node playground.mjs BROWSER URL FOLDER
// It prints `ready` when the page is open, `applied` when it has shown the end of the run, and `edited` when it has shown an edited file.
import { inTab } from './tab.mjs';

const [executablePath, url, folder] = process.argv.slice(2);

await inTab(executablePath, url, async (tab, seen) => {
  const text = selector => tab.$eval(selector, one => one.innerText);
  const texts = selector => tab.$$eval(selector, all => all.map(one => one.textContent));
  const until = async what => {
    try {
      await tab.waitForFunction(what, { timeout: 60_000 });
    } catch (error) {
      throw new Error(`${what}: ${error.message}\n${await tab.evaluate(() => document.querySelector('nav')?.innerText)}\n${seen.errors.join('\n')}`);
    }
  };
  const prefer = value => tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
  // Texts with less contrast than 4.5:1, in both colour schemes.
  const faintTexts = async () => {
    const found = [];
    for (const scheme of ['dark', 'light']) {
      await prefer(scheme);
      found.push(...await tab.evaluate(scheme => {
        const parse = colour => (colour.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
        const luminance = ([r, g, b]) => [r, g, b].map(part => part / 255).map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4).reduce((sum, part, i) => sum + part * [.2126, .7152, .0722][i], 0);
        const contrast = (a, b) => { const [dark, light] = [luminance(a), luminance(b)].sort((a, b) => a - b); return (light + .05) / (dark + .05); };
        const ground = element => {
          for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour[3] !== 0) return colour;
          }
          return [255, 255, 255];
        };
        const found = [];
        const check = (words, ink, paper) => { const ratio = contrast(ink, paper); if (ratio < 4.5) found.push(`${scheme}: ${words.trim().slice(0, 40)}: ${ratio.toFixed(2)}`); };
        for (const root of document.querySelectorAll('header, nav, aside, .legend')) {
          const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
          for (let at = walker.nextNode(); at; at = walker.nextNode()) {
            const element = at.parentElement;
            if (at.data.trim() && element.getClientRects().length) check(at.data, parse(getComputedStyle(element).color), ground(element));
          }
        }
        for (const label of document.querySelectorAll('.node text')) {
          if (label.textContent) check(label.textContent, parse(getComputedStyle(label).fill), parse(getComputedStyle(label.parentElement.querySelector('rect')).fill));
        }
        return [...new Set(found)];
      }, scheme));
    }
    return found;
  };
  const overflow = () => tab.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
  const isPanelOpen = () => tab.$eval('#panel', panel => !panel.hidden);

  await until(() => document.getElementById('plan').innerText !== '' && document.getElementById('status').className === 'good');
  seen.before = { plan: await text('#plan'), run: await text('#run'), history: await text('#history'), read: await text('#read') };
  seen.changes = await texts('#plan .change');
  seen.costs = { sum: await text('#costs .sum'), rows: await tab.$$eval('#costs tbody tr', all => all.map(row => row.innerText)), wide: await tab.$eval('nav', nav => nav.scrollWidth > nav.clientWidth) };
  await tab.screenshot({ path: `${folder}/playground-before.png` });
  console.log('ready');

  // A run of another process.
  await until(() => document.querySelector('.node.running') && document.querySelectorAll('.node.done').length > 5 && document.getElementById('history').innerText.includes('running'));
  seen.during = { run: await text('#run'), running: await tab.$$eval('.node.running', all => all.length), first: (await texts('#run li'))[0], history: await text('#history') };
  seen.faint = await faintTexts();
  await tab.screenshot({ path: `${folder}/playground-during.png` });
  await until(() => /done, \d+:\d\d/.test(document.getElementById('run').innerText) && document.getElementById('plan').innerText.includes('No changes') && document.getElementById('history').innerText.includes('done'));
  seen.after = { run: await text('#run'), plan: await text('#plan'), history: await text('#history') };
  seen.left = await tab.$$eval('.node.running, .node.failed', all => all.length);
  await tab.click('.node[aria-label="vpc.main"]');
  seen.chosen = await text('#panel');
  seen.faint.push(...await faintTexts());

  // On a small screen: nothing is cut off, and the panel can be closed.
  await tab.setViewport({ width: 400, height: 800 });
  seen.narrow = { overflow: await overflow(), panel: await tab.$eval('#panel', panel => panel.getBoundingClientRect().toJSON()) };
  await tab.click('#panel .close');
  seen.narrow.closed = !await isPanelOpen();
  seen.narrow.buttons = await tab.$$eval('.zoom button', all => all.every(one => { const { left, right } = one.getBoundingClientRect(); return left >= 0 && right <= innerWidth; }));
  seen.narrow.below = await overflow();
  await tab.screenshot({ path: `${folder}/playground-narrow.png` });
  await tab.setViewport({ width: 900, height: 800 });
  seen.medium = await overflow();
  await tab.setViewport({ width: 1600, height: 1000 });

  // The keyboard opens a run, and Escape returns to it.
  await tab.focus('#history button');
  await tab.keyboard.press('Enter');
  await until(() => document.querySelector('#panel h2')?.textContent === 'Revision 1' && !document.getElementById('panel').hidden);
  seen.revision = await text('#panel');
  await tab.screenshot({ path: `${folder}/playground-after.png` });
  await tab.keyboard.press('Escape');
  seen.escaped = !await isPanelOpen();

  // A search moves the drawing to what it finds.
  await tab.type('#search', 'rds_instance');
  seen.found = await tab.$eval('.node:not(.dim) rect', rect => { const { left, right, height } = rect.getBoundingClientRect(), room = document.getElementById('drawing').getBoundingClientRect(); return { visible: left >= room.left && right <= room.right, height }; });
  seen.matches = await text('#found');
  await tab.$eval('#search', input => { input.value = ''; input.dispatchEvent(new Event('input')); });
  console.log('applied');

  // An edited file of the definition: the page draws the new resource, and shows mistakes.
  await until(() => document.querySelector('.node[aria-label="vpc.second"]') && document.getElementById('plan').innerText.includes('1 to create'));
  seen.edited = await text('#plan');
  console.log('edited');
  await until(() => document.querySelector('#plan .problem'));
  seen.problem = await text('#plan');
  await tab.screenshot({ path: `${folder}/playground-problem.png` });
});
