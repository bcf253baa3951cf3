// Details of one resource.
const html = (name, text, ...children) => {
  const element = document.createElement(name);
  if (text !== null) element.textContent = text;
  element.append(...children);
  return element;
};
const button = (text, act) => {
  const one = html('button', text);
  one.type = 'button';
  one.className = 'link';
  one.addEventListener('click', act);
  return one;
};
// As acme writes durations elsewhere.
const period = seconds => {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor(seconds % 3600 / 60)).padStart(2, '0')} min`;
};
const lean = value => Array.isArray(value) ? value.map(lean)
  : value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).filter(([, v]) => v !== null).map(([k, v]) => [k, lean(v)]))
  : value;
const text = value => value === null || value === undefined ? 'none' : typeof value === 'string' ? value : JSON.stringify(lean(value));
const facts = pairs => html('dl', null, ...pairs.filter(([, value]) => value).flatMap(([name, value]) => [html('dt', name), value instanceof Node ? value : html('dd', value)]));
const resourceLinks = numbers => html('dd', null, ...numbers.flatMap((number, i) => [i ? ', ' : '', button(nodes[number].address, () => choose(number))]));

// The element to return to from the panel.
let opener = null;
function openPanel(...content) {
  if (panel.hidden) opener = document.activeElement;
  const close = html('button', '×');
  close.type = 'button';
  close.className = 'close';
  close.setAttribute('aria-label', 'Close');
  close.addEventListener('click', closePanel);
  const isOther = panel.querySelector('h2')?.textContent !== content[0].textContent;
  panel.replaceChildren(close, ...content);
  panel.hidden = false;
  if (isOther) panel.scrollTop = 0;
}
function closePanel() {
  const hadFocus = panel.contains(document.activeElement);
  panel.hidden = true;
  chosen = null;
  paint();
  if (hadFocus) opener?.focus?.();
}
addEventListener('keydown', event => { if (event.key === 'Escape' && !panel.hidden) closePanel(); });

// More facts, and the changes, of a resource; a page that follows the stack has them.
let moreFacts = () => [], changesOf = node => node.fields.map(f => `${f.pointer}: ${text(f.before)} → ${text(f.after)}${f.forces_replacement ? '  (forces replacement)' : ''}`).join('\n');
function choose(number) {
  chosen = number;
  if (part !== ALL && part !== sectionOf(nodes[number])) showPart(part === SECTIONS ? sectionOf(nodes[number]) : ALL);
  showResource();
  paint();
  reveal(items.findIndex(item => item.members[0] === number));
}
function showResource() {
  const node = nodes[chosen];
  const ends = (near, other) => edges.filter(edge => edge[near] === chosen).map(edge => edge[other]);
  const [above, below] = [ends('dependent', 'dependency'), ends('dependency', 'dependent')];
  // A resource that is not ready does not match its definition yet.
  const plan = { none: node.phase ? null : 'no changes', forget: 'leaves the stack, stays in AWS', update: 'change' };
  const content = [html('h2', node.address), facts([
    ['Id', node.id],
    ['Section', node.section],
    ['Plan', node.action && (node.action in plan ? plan[node.action] : node.action)],
    ['State', node.phase],
    ...moreFacts(node),
    ['Estimated time', node.action !== 'none' && node.estimated_seconds > 0 && period(node.estimated_seconds)],
    ['Depends on', above.length && resourceLinks(above)],
    ['Dependents', below.length && resourceLinks(below)],
  ])];
  const changes = isChange(node) && node.action !== 'create' && changesOf(node);
  if (changes) content.push(html('h3', 'Changes'), changes instanceof Node ? changes : html('pre', changes));
  const fold = (title, value, isOpen) => {
    const slim = lean(value);
    if (!slim || !Object.keys(slim).length) return;
    const details = html('details', null, html('summary', title), html('pre', JSON.stringify(slim, null, 2)));
    details.open = panel.querySelector(`details[data-title="${title}"]`)?.open ?? isOpen;
    details.dataset.title = title;
    content.push(details);
  };
  fold('Definition', node.spec, true);
  fold('Live state', node.live, !node.spec);
  fold('Outputs', node.outputs, false);
  openPanel(...content);
}

part = nodes.length > MANY && sections().size > 1 ? SECTIONS : ALL;
showParts();
draw();
home();
