
// The plan: counts, and the changes with the words of the text plan.
const signs = { create: ['+', 'good'], update: ['~', 'warn'], replace: ['±', 'bad'], delete: ['-', 'bad'], forget: ['×', 'warn'] };
// Number of changes above which sections are folded.
const FOLDED_ABOVE = 15;
const styleOf = words => /^\s*(risky:|- )/.test(words) ? 'bad' : /^\s*(impact:|closed now:)/.test(words) ? 'warn' : /^\s*\+ (?!\d+ more)/.test(words) ? 'good' : /forces replacement|changed outside acme/.test(words) ? 'warn' : '';
const detailsOf = words => html('pre', null, ...words.split('\n').map(words => { const one = html('span', `${words}\n`); one.className = styleOf(words); return one; }));
function changeEntry({ address, action, reason, details }) {
  const [sign, kind] = signs[action] ?? ['', ''];
  const mark = html('span', sign);
  mark.className = `sign ${kind}`;
  const why = html('span', reason ? ` ${reason}` : '');
  why.className = 'faint';
  const item = html('li', null, mark, link(address), why);
  item.className = 'change';
  if (details) {
    const pre = detailsOf(details);
    if (action === 'create') pre.className = 'faint';
    item.append(pre);
  }
  return item;
}

let shownPlan = '';
function showPlan() {
  const { plan, changes, problem, apply } = stack;
  // Only what differs is drawn again, so that folds and selections stay.
  const now = JSON.stringify([plan, changes, problem, apply, isRunning()]);
  if (now === shownPlan) return;
  shownPlan = now;
  if (problem) {
    const found = problem.problems, many = found.length;
    const places = found.flatMap(({ file, line: number, message, help }) => [line(`${[file, number].filter(Boolean).join(':')}: ${message}`, 'problem'), ...help ? [line(`Help: ${help}`, 'faint')] : []]);
    const title = many ? `The definition has ${many} problem${many === 1 ? '' : 's'}.` : problem.message[0].toUpperCase() + problem.message.slice(1);
    planPart.replaceChildren(line(title, 'problem'), ...places, line('There is no plan until this is fixed. The drawing shows the stack as it was before.', 'faint'));
    return;
  }
  const counts = Object.keys(meanings).filter(action => plan.summary[action]).map(action => `${plan.summary[action]} to ${meanings[action]}`);
  const content = [];
  if (!counts.length) content.push(line(isRunning() ? 'No further changes.' : `No changes: ${plan.summary.unchanged === 1 ? '1 resource matches' : `${plan.summary.unchanged} resources match`} the definition.`, 'good'));
  else {
    const sum = line(isRunning() ? 'Remaining: ' : '', '');
    sum.append(html('strong', counts.join(', ')));
    content.push(sum);
    if (plan.estimated_seconds > 0) content.push(line(`Estimated time ${period(plan.estimated_seconds)}`, 'faint'));
  }
  for (const obstacle of plan.obstacles) content.push(line(`Blocked: ${obstacle.message}`, 'problem'), line(`Help: ${obstacle.help}`, 'faint'));
  for (const warning of plan.warnings) content.push(line(`Warning: ${warning}`, 'warn'));
  if (changes.head) content.push(detailsOf(changes.head));
  const isLong = changes.sections.reduce((sum, section) => sum + section.changes.length, 0) > FOLDED_ABOVE;
  for (const { name, counts, changes: list } of changes.sections) {
    content.push(foldable(`${isRunning() ? 'remaining' : 'plan'} ${name}`, `${name}: ${counts}`, !isLong && !isRunning(), html('ul', null, ...list.map(changeEntry))));
  }
  if (changes.tail) content.push(detailsOf(changes.tail));
  if (counts.length && !isRunning()) content.push(html('code', apply));
  planPart.replaceChildren(...content);
}
changesOf = node => {
  const details = stack?.changes.sections.flatMap(section => section.changes).find(change => change.address === node.address)?.details;
  return details && detailsOf(details);
};
