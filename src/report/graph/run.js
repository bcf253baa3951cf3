
// The last run: its calls, and the state of the resources during it.
const [LISTED_CALLS, LISTED_RUNNING] = [12, 20];
const icons = { running: '…', done: '✓', waiting: '↻', rejected: '✗', unknown: '?' };
const classes = { running: 'running', done: 'done', waiting: 'waiting', rejected: 'failed', unknown: 'failed' };
const kinds = { running: '', done: 'good', waiting: 'warn', rejected: 'bad', unknown: 'bad' };

// Steps: calls of the same operation on a resource are attempts of one step.
function stepsOf(run) {
  const steps = new Map();
  for (const call of run.calls) {
    const key = [call.address, call.action, call.undo].join(' ');
    steps.set(key, { ...call, attempts: (steps.get(key)?.attempts ?? 0) + 1, started_at: call.started_at });
  }
  return [...steps.values()];
}
let latest = new Map();
// The last call about a resource is its state; after AWS accepted it, the resource may take a while. A rejected call may be made again until
// a rollback begins.
function stateOf(step) {
  if (isRunning() && run.phase !== 'rolling_back' && ['rejected', 'unknown'].includes(step.state)) return 'waiting';
  const node = nodes.find(node => node.address === step.address);
  const isPending = node && step === latest.get(step.address) && (node.phase || (step.action === 'create' && !node.id));
  return isRunning() && step.state === 'done' && isPending ? 'running' : !isRunning() && step.state === 'running' ? 'unknown' : step.state;
}
function showRunTime() {
  const time = document.getElementById('time');
  if (time && isRunning()) time.textContent = clock(Date.now() - run.started_at);
}
setInterval(showRunTime, 1000);

const doing = { create: 'creating', update: 'changing', tag: 'tagging', delete: 'deleting', forget: 'forgetting' };
function stepEntry(step, undone) {
  const state = stateOf(step);
  const isUndone = !step.undo && state === 'done' && undone.some(other => other.address === step.address && other.state === 'done');
  const [icon, kind] = isUndone ? ['↩', 'faint'] : [icons[state], kinds[state]];
  const mark = html('span', icon);
  mark.className = `sign ${kind}`;
  const words = html('span', `${step.undo ? 'undo: ' : ''}${step.action} `);
  words.className = kind;
  const item = html('li', null, mark, words, link(step.address));
  const attempts = step.attempts > 1 ? `attempt ${step.attempts}` : '';
  item.className = 'step';
  const note = html('span', [step.code && `: ${step.code}`, attempts && ` (${attempts})`].filter(Boolean).join(''));
  note.className = step.code ? kind : 'faint';
  item.append(note);
  return item;
}
function showRun() {
  // A run under way is above the plan of what remains.
  const [above, below] = isRunning() ? [runPart, planPart] : [planPart, runPart];
  if (above.parentElement.compareDocumentPosition(below.parentElement) & Node.DOCUMENT_POSITION_PRECEDING) below.parentElement.before(above.parentElement);
  runPart.parentElement.querySelector('h2').textContent = isRunning() ? 'Running' : 'Last run';
  if (!run) { runPart.replaceChildren(line('No run yet.', 'faint')); return; }
  const steps = stepsOf(run);
  latest = new Map(steps.map(step => [step.address, step]));
  const active = { applying: 'applying', cleaning_up: 'deleting what is obsolete', rolling_back: 'rolling back' };
  const word = run.phase === 'ended' ? run.outcome?.replaceAll('_', ' ') : isRunning() ? active[run.phase] : 'unfinished';
  const elapsed = html('span', clock((isRunning() ? Date.now() : run.last_at) - run.started_at));
  elapsed.id = 'time';
  const title = line(`Revision ${run.revision}: ${run.procedure ?? run.command}, ${word}, `, isRunning() ? '' : run.outcome === 'done' ? 'good' : run.outcome === 'rolled_back' ? 'warn' : 'bad');
  title.append(elapsed);

  // By resource: how far the changes are, or how much of them is undone.
  const last = (undo, of = steps.filter(step => step.undo === undo)) => [...new Map(of.map(step => [step.address, step])).values()];
  const [changed, undone] = [last(false), last(true)];
  const count = (list, ...states) => list.filter(step => states.includes(stateOf(step))).length;
  const failed = count(changed, 'rejected', 'unknown');
  const words = [];
  let parts;
  if (run.rollback_reason) {
    const made = Math.max(changed.filter(step => step.state === 'done').length, undone.length), done = count(undone, 'done');
    const lost = count(undone, 'rejected', 'unknown');
    if (failed) words.push(`${failed} failed`);
    words.push(`${done} of ${made} undone`);
    if (lost) words.push(`${lost} not undone`);
    parts = [[done / Math.max(1, made), 'var(--warn)'], [lost / Math.max(1, made), 'var(--bad)']];
    if (!made) parts = [];
  } else {
    const rest = isRunning() ? nodes.filter(node => isChange(node) && node.action !== 'forget' && !latest.has(node.address)).length : 0;
    const all = Math.max(1, changed.length + rest);
    for (const [many, word] of [[count(changed, 'done'), 'done'], [count(changed, 'running'), 'running'], [count(changed, 'waiting'), 'rejected'], [rest, 'to go'], [failed, 'failed']]) if (many) words.push(`${many} ${word}`);
    parts = [[count(changed, 'done') / all, 'var(--good)'], [failed / all, 'var(--bad)']];
  }
  const track = html('div', null, ...parts.map(([share, background]) => { const one = html('i', ''); Object.assign(one.style, { width: `${Math.round(share * 100)}%`, background }); return one; }));
  track.className = 'bar';
  const content = [title, line(`${run.actor}, ${time(run.started_at)}`, 'faint')];
  if (steps.length) content.push(track, line(words.join(', '), ''));
  if (run.phase !== 'ended' && !isRunning() && stack) content.push(line('No process works on it. Continue it:', ''), html('code', stack.apply));
  if (run.rollback_reason) content.push(line(`${run.phase === 'ended' ? 'Rolled back' : 'Rolling back'}: ${run.rollback_reason}`, 'warn'));
  // Failed and running steps first, however long they have been running.
  const rank = step => ({ waiting: 0, rejected: 0, unknown: 0, running: 1 })[stateOf(step)] ?? 2;
  steps.sort((a, b) => rank(a) - rank(b) || (rank(a) === 2 ? (b.ended_at ?? 0) - (a.ended_at ?? 0) : a.started_at - b.started_at));
  const most = Math.max(LISTED_CALLS, Math.min(LISTED_RUNNING, steps.filter(step => rank(step) < 2).length));
  content.push(...folded('calls', steps.map(step => stepEntry(step, undone)), most, count => `${count} more`));
  runPart.replaceChildren(...content);
  paint();
}
decorate = (box, item) => {
  const states = item.members.map(number => latest.get(nodes[number].address)).filter(Boolean).map(step => [step, stateOf(step)]);
  const isShown = ([step, state]) => isRunning() || (classes[state] === 'failed' && !(run?.phase === 'ended' && run.outcome === 'done'));
  const shown = states.filter(isShown).map(([, state]) => state);
  const all = item.members.every(number => { const step = latest.get(nodes[number].address); return step ? stateOf(step) === 'done' : !isChange(nodes[number]); });
  const state = shown.find(state => classes[state] === 'failed') ?? shown.find(state => state === 'waiting') ?? shown.find(state => state === 'running') ?? (shown.length && all ? 'done' : null);
  for (const name of ['running', 'done', 'waiting', 'failed']) box.classList.toggle(name, classes[state] === name);
  let mark = box.querySelector('.mark');
  if (!mark) { mark = make('text', { class: 'mark', x: size.width - 10, y: size.height * .64 }); box.append(mark); }
  mark.textContent = state ? icons[state] : '';
};
moreFacts = node => {
  const step = latest.get(node.address);
  const state = step && stateOf(step);
  return isRunning() && state === 'running' ? [['Run', `${doing[step.action]} for ${clock(Date.now() - step.started_at)}`]]
    : state === 'waiting' ? [['Run', `${step.action} rejected: ${step.code ?? 'no response'}`]]
    : state && classes[state] === 'failed' ? [['Last run', `${step.action} failed${step.code ? `: ${step.code}` : ''}`]] : [];
};
