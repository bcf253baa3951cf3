
// Only with `graph --serve`: the server sends the stack and the last run whenever they change.
const nav = html('nav', null);
nav.setAttribute('aria-label', 'Plan, run, costs and history');
document.querySelector('main').before(nav);
const line = (words, kind) => { const p = html('p', words); if (kind) p.className = kind; return p; };
const section = (title, id) => {
  const body = html('div', null);
  body.id = id;
  const whole = html('section', null, html('h2', title), body);
  nav.append(whole);
  return body;
};
const link = address => {
  const number = nodes.findIndex(node => node.address === address);
  return number < 0 ? document.createTextNode(address) : button(address, () => choose(number));
};
// A list whose entries after the first `most` are folded. `name` identifies it, so that it stays open when its content changes.
const opened = new Map();
const foldable = (name, title, isOpen, ...content) => {
  const details = html('details', null, html('summary', title), ...content);
  details.open = opened.get(name) ?? isOpen;
  details.addEventListener('toggle', () => opened.set(name, details.open));
  return details;
};
const folded = (name, entries, most, words) => {
  const list = html('ul', null, ...entries.slice(0, most));
  return entries.length > most ? [list, foldable(name, words(entries.length - most), false, html('ul', null, ...entries.slice(most)))] : [list];
};
const day = { day: 'numeric', month: 'short' }, minute = { hour: '2-digit', minute: '2-digit' };
const time = milliseconds => {
  const date = new Date(milliseconds);
  return date.toLocaleString('en-GB', { ...day, ...minute, ...(date.getFullYear() === new Date().getFullYear() ? {} : { year: 'numeric' }) });
};
const clock = milliseconds => {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
};

const status = line('Connecting…', 'faint');
status.id = 'status';
const again = html('button', 'Refresh');
again.id = 'refresh';
const readNote = line('', 'faint');
readNote.id = 'read';
const statusLine = html('div', null, status, again);
statusLine.className = 'top';
nav.append(statusLine, readNote);
const [planPart, runPart, costPart, historyPart] = [section('Plan', 'plan'), section('Last run', 'run'), section('Costs', 'costs'), section('History', 'history')];
costPart.parentElement.hidden = true;

let stack = null, run = null;
const isRunning = () => Boolean(run?.running);
const topology = () => JSON.stringify([nodes.map(node => [node.address, sectionOf(node)]), edges.map(edge => [edge.dependency, edge.dependent])]);
function showStack(latest) {
  stack = latest;
  const [before, address] = [topology(), chosen === null ? null : nodes[chosen].address];
  ({ nodes, edges } = stack.graph);
  const found = nodes.findIndex(node => node.address === address);
  chosen = found < 0 ? null : found;
  if (address !== null && chosen === null) closePanel();
  if (topology() === before) paint();
  else {
    showParts();
    draw();
    if (!isMoved) home();
  }
  if (chosen !== null && !panel.hidden) showResource();
  showPlan();
  costPart.parentElement.hidden = !stack.plan.cost;
  if (stack.plan.cost) showCost(stack.plan.cost);
  showHistory();
  showRun();
}

// The time of the last look at the resources.
function showRead({ at, automatic }) {
  again.disabled = false;
  again.textContent = 'Refresh';
  readNote.textContent = `As of ${new Date(at).toLocaleTimeString('en-GB')}.` + (automatic ? '' : ' Edits and runs appear by themselves; changes outside acme after a refresh, which reads all resources.');
}
again.addEventListener('click', async () => {
  again.disabled = true;
  again.textContent = 'Reading…';
  const answer = await fetch('refresh', { method: 'POST' }).catch(() => null);
  if (!answer?.ok) { again.disabled = false; again.textContent = 'Refresh'; }
});
