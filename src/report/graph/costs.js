
// The monthly cost, its change, and the sums by resource.
const LISTED_COSTS = 10;
const amount = value => value.toFixed(2);
const isChanged = value => Math.abs(value) >= .005;
const signed = value => (value > 0 ? '+' : '') + amount(value);
function showCost(cost) {
  if (cost.monthly === null) {
    costPart.replaceChildren(line('Not known.', ''), ...cost.notes.map(note => line(note, 'faint')));
    return;
  }
  const sum = line(null, 'sum');
  sum.append(html('strong', `${amount(cost.monthly)} ${cost.currency}`), ` a month${isChanged(cost.change) ? ` (${signed(cost.change)})` : ''}`);
  const hasChanges = cost.resources.some(({ change }) => isChanged(change));
  const sorted = hasChanges ? [...cost.resources].sort((a, b) => Math.abs(b.change) - Math.abs(a.change) || b.monthly - a.monthly) : cost.resources;
  const rows = sorted.map(({ address, monthly, change }) => {
    const row = html('tr', null, html('td', null, link(address)), html('td', amount(monthly)), ...hasChanges ? [html('td', isChanged(change) ? signed(change) : '')] : []);
    if (isChanged(change)) row.className = change > 0 ? 'more' : 'less';
    return row;
  });
  const head = html('tr', null, html('th', 'Resource'), html('th', cost.currency), ...hasChanges ? [html('th', 'Change')] : []);
  const table = rows => html('table', null, html('tbody', null, ...rows));
  const first = table(rows.slice(0, LISTED_COSTS));
  first.prepend(html('thead', null, head));
  const content = [sum, first];
  if (rows.length > LISTED_COSTS) content.push(foldable('costs', `${rows.length - LISTED_COSTS} more`, false, table(rows.slice(LISTED_COSTS))));
  // The sum is a lower bound: what is missing, by reason.
  const missing = new Map();
  const add = (reason, address) => missing.set(reason, (missing.get(reason) ?? new Set()).add(address));
  for (const { usage, address } of cost.not_counted) add(`${usage} of ${typeOf(address)} is not stated`, address);
  for (const { reason, address } of cost.not_priced) add(reason, address);
  if (missing.size) {
    const list = html('ul', null, ...[...missing].map(([reason, addresses]) => {
      const item = html('li', reason);
      item.title = [...addresses].join('\n');
      return item;
    }));
    content.push(foldable('missing', `Not counted or not priced: ${missing.size}`, false, list));
  }
  costPart.replaceChildren(...content, ...cost.notes.map(note => line(note, 'faint')));
}
