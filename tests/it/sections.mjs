// Opens the page of a large stack in headless Chromium or Chrome, and prints what was seen: node sections.mjs BROWSER PAGE
import { pathToFileURL } from 'node:url';
import { inTab } from './tab.mjs';

const [executablePath, page] = process.argv.slice(2);

await inTab(executablePath, pathToFileURL(page), async (tab, seen) => {
  const names = () => tab.$$eval('.node', all => all.map(one => one.getAttribute('aria-label')));
  // Height of the names in pixels, and whether all of them are visible.
  const labels = () => tab.$$eval('.node:not(.dim) .name', all => {
    const room = document.getElementById('drawing').getBoundingClientRect();
    const boxes = all.map(one => one.getBoundingClientRect());
    return { height: Math.min(...boxes.map(box => box.height)), visible: boxes.every(({ left, right, top, bottom }) => left >= room.left && right <= room.right && top >= room.top && bottom <= room.bottom) };
  });
  seen.sections = { names: await names(), labels: await labels() };
  await tab.$eval('.node[aria-label="network"]', box => box.focus());
  await tab.keyboard.press('Enter');
  seen.network = { names: await names(), labels: await labels(), part: await tab.$eval('#part', part => part.value) };
  await tab.select('#part', ' sections');
  await tab.type('#search', 'eks_cluster');
  seen.found = { names: await tab.$$eval('.node:not(.dim)', all => all.map(one => one.getAttribute('aria-label'))), labels: await labels() };
  await tab.$eval('#search', input => { input.value = ''; input.dispatchEvent(new Event('input')); });
  seen.back = await names();
});
