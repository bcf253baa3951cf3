
// Only with `graph --serve`: the server sends the stack and the last run whenever they change.
document.head.append(html('style', `
body { grid-template-columns: minmax(230px, 300px) 1fr auto; }
nav { overflow: auto; padding: .2rem .9rem .9rem; background: var(--paper); border-right: 1px solid var(--line); font-size: 13px; }
nav h3 { margin-bottom: .3rem; text-transform: none; }
nav p { margin: .15rem 0; overflow-wrap: anywhere; }
nav ul { list-style: none; margin: .2rem 0; padding: 0; }
nav li { overflow-wrap: anywhere; padding: .1rem 0; }
nav .faint { color: var(--faint); }
nav .bad, nav .problem { color: #dc2626; }
nav .good { color: #16a34a; }
nav code { font-size: 12px; overflow-wrap: anywhere; }
nav .sum strong { font-size: 15px; }
nav table { width: 100%; border-collapse: collapse; font-size: 12px; }
nav th { color: var(--faint); font-weight: 600; text-align: left; }
nav th, nav td { padding: .12rem .25rem; border-bottom: 1px solid var(--line); vertical-align: top; }
nav td:first-child { overflow-wrap: anywhere; }
nav th + th, nav td + td { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
nav .more td:last-child { color: var(--critical); }
nav .less td:last-child { color: #16a34a; }
nav details { margin: .3rem 0; color: var(--faint); font-size: 12px; }
nav summary { cursor: pointer; }
nav .bar { height: 6px; border-radius: 3px; background: var(--line); overflow: hidden; margin: .4rem 0; }
nav .bar i { display: block; height: 100%; background: #16a34a; transition: width .3s; }
.node .mark { font-size: 15px; font-weight: 700; text-anchor: end; }
.node.running rect { stroke: var(--chosen); stroke-width: 3; stroke-dasharray: 8 4; animation: run .8s linear infinite; }
.node.running .mark { fill: var(--chosen); }
.node.done rect { stroke: #16a34a; stroke-width: 2.5; }
.node.done .mark { fill: #16a34a; }
.node.failed rect { stroke: #dc2626; stroke-width: 3; }
.node.failed .mark { fill: #dc2626; }
@keyframes run { to { stroke-dashoffset: -12; } }
@media (prefers-reduced-motion: reduce) { .node.running rect { animation: none; } }
`));
const nav = html('nav', null);
nav.setAttribute('aria-label', 'Plan, run and history');
svg.before(nav);
const section = (title, id) => {
  const body = html('div', null);
  body.id = id;
  nav.append(html('h3', title), body);
  return body;
};
const line = (words, kind) => { const p = html('p', words); if (kind) p.className = kind; return p; };
const status = line('Connecting…', 'faint');
status.id = 'status';
nav.append(status);
const [planPart, runPart, costPart, historyPart] = [section('Plan', 'plan'), section('Last run', 'run'), section('Costs', 'costs'), section('History', 'history')];
costPart.hidden = costPart.previousSibling.hidden = true;
const marks = boxes.map(box => { const mark = make('text', { class: 'mark', x: WIDTH - 10, y: 27 }); box.append(mark); return mark; });
const numbers = new Map(nodes.map((node, number) => [node.address, number]));
const link = address => {
  const number = numbers.get(address);
  if (number === undefined) return document.createTextNode(address);
  const a = html('a', address);
  a.tabIndex = 0;
  a.addEventListener('click', () => choose(number));
  return a;
};
const duration = milliseconds => {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
};

let run = null;
// Without the critical path, which moves during a run.
const topology = graph => JSON.stringify([graph.nodes.map(node => node.address), graph.edges.map(edge => [edge.dependency, edge.dependent])]);
const drawnTopology = topology({ nodes, edges: all });
function showStack(stack) {
  if (topology(stack.graph) !== drawnTopology) { location.reload(); return; }
  stack.graph.nodes.forEach((node, number) => {
    const was = JSON.stringify(nodes[number]);
    Object.assign(nodes[number], node);
    if (was === JSON.stringify(nodes[number])) return;
    const box = boxes[number];
    box.querySelector('rect').style.fill = `var(--${node.action ?? 'none'})`;
    box.querySelector('text.type').textContent = node.address.slice(0, node.address.indexOf('.')) + (node.phase ? ` · ${short(node.phase, 14)}` : '');
    box.classList.toggle('critical', node.critical);
    if (box.classList.contains('chosen')) choose(number);
  });
  const { plan, history, problem, apply } = stack;
  const counts = ['create', 'update', 'replace', 'delete'].filter(action => plan.summary[action]).map(action => `${plan.summary[action]} to ${meanings[action]}`);
  planPart.replaceChildren(line(counts.join(', ') || 'No changes.', counts.length ? '' : 'good'));
  if (counts.length) planPart.append(line(`Estimated time ${duration(plan.estimated_seconds * 1000)}`, 'faint'), html('code', apply));
  for (const obstacle of plan.obstacles) planPart.append(line(`Blocked: ${obstacle.message}`, 'problem'));
  for (const warning of plan.warnings) planPart.append(line(warning, 'faint'));
  if (problem) {
    planPart.prepend(line(problem.message, 'problem'), ...problem.problems.map(one => line(`${one.file ?? ''}:${one.line ?? ''}: ${one.message}`, 'problem')));
  }
  costPart.hidden = costPart.previousSibling.hidden = !plan.cost;
  if (plan.cost) showCost(plan.cost);
  const list = html('ul', null);
  for (const past of history) {
    const a = html('a', `#${past.revision}`);
    a.tabIndex = 0;
    a.addEventListener('click', () => showRun(past.revision));
    const isRunning = run && run.revision === past.revision && run.phase !== 'ended';
    const outcome = past.outcome?.replaceAll('_', ' ') ?? (isRunning ? 'running' : 'unfinished');
    const item = html('li', null, a, ` ${past.procedure ?? past.command ?? 'unreadable'}, ${outcome}`);
    item.title = `${past.actor ?? ''} ${past.started_at ?? ''}`.trim();
    list.append(item);
  }
  historyPart.replaceChildren(history.length ? list : line('No runs yet.', 'faint'));
  showProgress(run);
}

// The monthly cost, its change, and the sums by resource.
const amount = value => value.toFixed(2);
const signed = value => Math.abs(value) < .005 ? '+0.00' : (value > 0 ? '+' : '') + amount(value);
function showCost(cost) {
  if (cost.monthly === null) {
    costPart.replaceChildren(line('Not known.', ''), ...cost.notes.map(note => line(note, 'faint')));
    return;
  }
  const sum = line(null, 'sum');
  sum.append(html('strong', `${amount(cost.monthly)} ${cost.currency}`), ` a month (${signed(cost.change)})`);
  const rows = cost.resources.map(({ address, monthly, change }) => {
    const row = html('tr', null, html('td', null, link(address)), html('td', amount(monthly)), html('td', signed(change)));
    if (Math.abs(change) >= .005) row.className = change > 0 ? 'more' : 'less';
    return row;
  });
  const head = html('tr', null, html('th', 'Resource'), html('th', cost.currency), html('th', 'Change'));
  const table = html('table', null, html('thead', null, head), html('tbody', null, ...rows));
  costPart.replaceChildren(sum, table);
  // The sum is a lower bound: what is missing, by reason.
  const missing = new Map();
  const add = (reason, address) => missing.set(reason, (missing.get(reason) ?? new Set()).add(address));
  for (const { usage, address } of cost.not_counted) add(`${usage} of ${address.slice(0, address.indexOf('.'))} is not stated`, address);
  for (const { reason, address } of cost.not_priced) add(reason, address);
  if (missing.size) {
    const list = html('ul', null, ...[...missing].map(([reason, addresses]) => {
      const item = html('li', reason);
      item.title = [...addresses].join('\n');
      return item;
    }));
    const details = html('details', null, html('summary', `Not counted or not priced: ${missing.size}`), list);
    costPart.append(details);
  }
  for (const note of cost.notes) costPart.append(line(note, 'faint'));
}

// The record of a past run, in the panel.
async function showRun(revision) {
  const answer = await fetch(`runs/${revision}`);
  if (!answer.ok) return;
  const run = await answer.json();
  choose(null);
  const facts = html('dl', null);
  for (const [name, value] of Object.entries(run.revision)) {
    if (value !== null && typeof value !== 'object') facts.append(html('dt', name.replaceAll('_', ' ')), html('dd', String(value)));
  }
  panel.replaceChildren(html('h2', `Revision ${revision}`), facts);
  const changes = (title, all) => {
    if (!all?.length) return;
    panel.append(html('h3', title), html('ul', null, ...all.map(change => html('li', `${change.action} ${change.address}${change.code ? `: ${change.code}` : ''}`))));
  };
  changes('Changes', run.changes);
  changes('Rolled back', run.rolled_back);
  changes('Failed calls', run.failed);
  panel.hidden = false;
}

const icons = { running: '…', done: '✓', rejected: '✗', unknown: '?' };
const classes = { running: 'running', done: 'done', rejected: 'failed', unknown: 'failed' };
function showRunTime() {
  const time = document.getElementById('time');
  if (time && run && run.phase !== 'ended') time.textContent = duration(Date.now() - run.started_at);
}
setInterval(showRunTime, 1000);
function showProgress(latest) {
  run = latest;
  if (!run) { runPart.replaceChildren(line('No run yet.', 'faint')); return; }
  const isActive = run.phase !== 'ended';
  const phases = { applying: 'applying', cleaning_up: 'deleting what is obsolete', rolling_back: 'rolling back', ended: run.outcome?.replaceAll('_', ' ') };
  const time = html('span', duration((isActive ? Date.now() : run.last_at) - run.started_at));
  time.id = 'time';
  const title = line(`Revision ${run.revision}: ${run.procedure ?? run.command}, ${phases[run.phase]}, `, isActive ? '' : run.outcome === 'done' ? 'good' : 'bad');
  title.append(time);
  // The last call about a resource is its state; after AWS accepted it, the resource may take a while.
  const latestCalls = new Map(run.calls.map(call => [call.address, call]));
  const stateOf = call => {
    const node = nodes[numbers.get(call.address)];
    const isPending = node && (node.phase || (call.action === 'create' && !node.id));
    return isActive && call.state === 'done' && isPending ? 'running' : call.state;
  };
  const states = [...latestCalls.values()].map(stateOf);
  const count = state => states.filter(one => one === state).length;
  const rest = isActive ? nodes.filter(node => node.action && !['none', 'forget'].includes(node.action) && !latestCalls.has(node.address)).length : 0;
  const share = states.length + rest ? count('done') / (states.length + rest) : 1;
  const bar = html('i', '');
  bar.style.width = `${Math.round(share * 100)}%`;
  const track = html('div', null, bar);
  track.className = 'bar';
  const words = [[count('done'), 'done'], [count('running'), 'running'], [rest, 'to go'], [count('rejected') + count('unknown'), 'failed']];
  runPart.replaceChildren(title, line(run.actor, 'faint'), track, line(words.filter(([many]) => many).map(([many, word]) => `${many} ${word}`).join(', '), ''));
  if (run.rollback_reason) runPart.append(line(`Rolled back: ${run.rollback_reason}`, 'bad'));
  const list = html('ul', null);
  for (const call of run.calls.slice(-12).reverse()) {
    const item = html('li', `${icons[stateOf(call)]} ${call.action} `);
    item.append(link(call.address));
    if (call.code) item.append(`: ${call.code}`);
    if (call.state === 'done') item.className = stateOf(call) === 'done' ? 'good' : ''; else if (call.state !== 'running') item.className = 'bad';
    list.append(item);
  }
  runPart.append(list);
  boxes.forEach((box, number) => {
    const call = latestCalls.get(nodes[number].address);
    const state = call ? stateOf(call) : null;
    const isShown = call && (isActive || state !== 'done');
    for (const name of ['running', 'done', 'failed']) box.classList.toggle(name, Boolean(isShown) && classes[state] === name);
    marks[number].textContent = isShown ? icons[state] : '';
  });
}

fit();
const events = new EventSource('events');
events.addEventListener('open', () => { status.textContent = 'Following the stack.'; status.className = 'good'; });
events.addEventListener('error', () => { status.textContent = 'Disconnected: the server has ended, or is about to return.'; status.className = 'bad'; });
events.addEventListener('stack', event => showStack(JSON.parse(event.data)));
events.addEventListener('run', event => showProgress(JSON.parse(event.data)));
