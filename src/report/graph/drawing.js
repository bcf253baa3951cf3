// Draws the resources, those of one section, or the sections; zooms and finds.
const by = id => document.getElementById(id);
const svg = by('drawing'), view = by('view'), panel = by('panel'), partChoice = by('part'), search = by('search');
let { nodes, edges } = JSON.parse(by('data').textContent);

// Number of resources above which a page opens with the sections.
const MANY = 60;
// Scale at which labels are easy to read, and the smallest one for a view of everything.
const [READABLE, SMALLEST] = [.75, .55];
const ALL = '', SECTIONS = ' sections';
// A resource without a section of its own is in that of its type.
const typeOf = address => address.slice(0, address.indexOf('.'));
const sectionOf = node => node.section && node.section !== 'resources' ? node.section : node.spec || !node.live ? typeOf(node.address) : 'no longer declared';
const short = (text, most) => text.length > most ? text.slice(0, most - 1) + '…' : text;
const make = (name, attributes, ...children) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const isChange = node => Boolean(node.action) && node.action !== 'none';

let part = ALL, chosen = null, isMoved = false;
// What is drawn: boxes with the numbers of their resources, and links with the numbers of their edges.
let size = RESOURCE, items = [], links = [], places = { x: [], y: [], paths: [], backward: [] }, boxes = [], paths = [];
// Called with each box after it is drawn and when its resources change.
let decorate = () => {};

function sections() {
  const found = new Map();
  nodes.forEach((node, number) => { const name = sectionOf(node); found.set(name, [...found.get(name) ?? [], number]); });
  return new Map([...found].sort(([a], [b]) => a < b ? -1 : 1));
}

function drawn() {
  if (part === SECTIONS) {
    const items = [...sections()].map(([name, members]) => ({ name, members }));
    const at = new Map(items.flatMap((item, i) => item.members.map(number => [number, i])));
    const found = new Map();
    edges.forEach((edge, number) => {
      const [from, to] = [at.get(edge.dependency), at.get(edge.dependent)];
      if (edge.deferred || from === to) return;
      const key = `${from} ${to}`;
      if (!found.has(key)) found.set(key, { from, to, edges: [] });
      found.get(key).edges.push(number);
    });
    // Without those that a longer way implies; sections can form cycles.
    const kept = new Set(found.values());
    const reaches = (from, to, seen = new Set()) => [...kept].some(link => link.from === from && !seen.has(link.to) && (link.to === to || reaches(link.to, to, seen.add(link.to))));
    for (const link of [...kept]) { kept.delete(link); if (!reaches(link.from, link.to)) kept.add(link); }
    return { items, links: [...kept] };
  }
  const numbers = nodes.map((_, number) => number).filter(number => part === ALL || sectionOf(nodes[number]) === part);
  const at = new Map(numbers.map((number, i) => [number, i]));
  const links = edges.map((edge, number) => ({ from: at.get(edge.dependency), to: at.get(edge.dependent), edges: [number] }))
    .filter(({ from, to, edges: [number] }) => from !== undefined && to !== undefined && (!edges[number].implied || edges[number].critical));
  return { items: numbers.map(number => ({ members: [number] })), links };
}

function draw() {
  ({ items, links } = drawn());
  size = part === SECTIONS ? SECTION : RESOURCE;
  places = layout(items.length, links, size);
  paths = links.map((_, i) => make('path', { d: places.paths[i] }));
  // Sections depend on each other; an overview shows one direction.
  if (part === SECTIONS) paths.forEach((path, i) => path.toggleAttribute('hidden', places.backward[i]));
  boxes = items.map((item, i) => {
    const open = () => item.name ? showPart(item.name) : choose(item.members[0]);
    const box = make('g', { transform: `translate(${places.x[i]},${places.y[i]})`, tabindex: 0, role: 'button', 'aria-label': item.name ?? nodes[item.members[0]].address },
      make('rect', { width: size.width, height: size.height }), make('text', { class: 'type', x: 10, y: size.height * .38 }), make('text', { class: 'name', x: 10, y: size.height * .78 }), make('title', {}));
    box.addEventListener('click', open);
    box.addEventListener('keydown', event => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); open(); } });
    return box;
  });
  by('edges').replaceChildren(...paths);
  by('nodes').replaceChildren(...boxes);
  paint();
}

// Everything that can change without another layout.
function paint() {
  items.forEach((item, i) => {
    const [box, all] = [boxes[i], item.members.map(number => nodes[number])];
    const actions = [...new Set(all.filter(isChange).map(node => node.action))];
    const [type, name] = item.name ? [`${all.length} resource${all.length === 1 ? '' : 's'}`, item.name]
      : [typeOf(all[0].address) + (all[0].phase ? ` · ${short(all[0].phase, 14)}` : ''), all[0].address.slice(typeOf(all[0].address).length + 1)];
    const many = all.filter(isChange).length;
    const plan = actions.length === 1 ? meanings[actions[0]] : 'change';
    box.querySelector('.type').textContent = !item.name || !many ? type : `${many === all.length ? many : `${many} of ${all.length}`} to ${plan}`;
    box.querySelector('.name').textContent = short(name, item.name ? 18 : 25);
    box.querySelector('rect').style.fill = `var(--${actions.length > 1 ? 'update' : actions[0] ?? 'none'})`;
    box.querySelector('title').textContent = item.name ? all.map(node => node.address).join('\n') : [all[0].address, all[0].id, all[0].action].filter(Boolean).join('\n');
    box.setAttribute('class', item.name ? 'node section' : 'node');
    box.classList.toggle('critical', all.some(node => node.critical));
    box.classList.toggle('chosen', !item.name && item.members[0] === chosen);
    decorate(box, item);
  });
  links.forEach((link, i) => {
    const all = link.edges.map(number => edges[number]);
    const near = all.some(edge => chosen !== null && [edge.dependency, edge.dependent].includes(chosen));
    paths[i].setAttribute('class', ['edge', all.some(edge => edge.critical) && 'critical', all.every(edge => edge.deferred) && 'deferred', near && 'near'].filter(Boolean).join(' '));
  });
  dim();
  showLegend();
}

// Legend: only entries used in the drawing.
const meanings = { create: 'create', update: 'change', replace: 'replace', delete: 'delete', forget: 'forget' };
function showLegend() {
  const entry = (words, styles) => { const colour = html('i', ''); Object.assign(colour.style, styles); return html('span', null, colour, words); };
  const entries = Object.entries(meanings).filter(([action]) => nodes.some(node => node.action === action)).map(([action, words]) => entry(words, { background: `var(--${action})` }));
  if (nodes.some(node => node.critical)) entries.push(entry('critical path', { borderColor: 'var(--critical)', borderWidth: '3px' }));
  by('legend').replaceChildren(...entries);
}

// Parts of the drawing, for a stack with several sections.
function showParts() {
  const found = sections();
  const option = (value, words) => { const one = html('option', words); one.value = value; return one; };
  partChoice.replaceChildren(option(ALL, `All ${nodes.length} resources`), option(SECTIONS, `Sections (${found.size})`), ...[...found].map(([name, members]) => option(name, `${name} (${members.length})`)));
  partChoice.hidden = found.size < 2;
  if (part !== ALL && part !== SECTIONS && !found.has(part)) part = ALL;
  partChoice.value = part;
}
function showPart(name) {
  part = name;
  partChoice.value = name;
  const hadFocus = svg.contains(document.activeElement);
  draw();
  home();
  if (hadFocus) boxes[0]?.focus();
}
partChoice.addEventListener('change', () => showPart(partChoice.value));

// Zoom and pan.
let [scale, left, top] = [1, 0, 0];
const show = () => view.setAttribute('transform', `translate(${left},${top}) scale(${scale})`);
// The visible part of the drawing: the panel may be above it, and the legend is.
const room = () => {
  const { left: from, right, height } = svg.getBoundingClientRect();
  const covered = panel.hidden ? right : Math.min(right, panel.getBoundingClientRect().left);
  return { width: Math.max(120, covered - from), height: height - 30 };
};
function zoom(factor, cx = room().width / 2, cy = room().height / 2) {
  const next = Math.min(4, Math.max(.02, scale * factor));
  [left, top, scale] = [cx - (cx - left) * next / scale, cy - (cy - top) * next / scale, next];
  isMoved = true;
  show();
}
// Shows these boxes as large as they fit. If they don't at a readable scale, shows their beginning.
function zoomTo(list, smallest, largest = 1.5) {
  if (!list.length) return;
  const [xs, ys] = [list.map(i => places.x[i]), list.map(i => places.y[i])];
  const [x1, y1, x2, y2] = [Math.min(...xs), Math.min(...ys), Math.max(...xs) + size.width, Math.max(...ys) + size.height];
  const { width, height } = room();
  const fitting = Math.min(largest, (width - 40) / (x2 - x1), (height - 40) / (y2 - y1));
  scale = Math.max(smallest, fitting);
  const isCritical = i => boxes[i].classList.contains('critical');
  const first = list.reduce((one, i) => isCritical(i) === isCritical(one) ? (places.x[i] < places.x[one] ? i : one) : isCritical(i) ? i : one, list[0]);
  left = (x2 - x1) * scale <= width - 20 ? (width - (x2 - x1) * scale) / 2 - x1 * scale
    : 20 - ((places.x[first] + size.width - x1) * scale < width - 20 ? x1 : places.x[first]) * scale;
  const middle = height / 2 - (places.y[first] + size.height / 2) * scale;
  top = (y2 - y1) * scale <= height - 20 ? (height - (y2 - y1) * scale) / 2 - y1 * scale : Math.min(20 - y1 * scale, Math.max(height - 20 - y2 * scale, middle));
  show();
}
const everything = () => items.map((_, i) => i);
function fit() {
  zoomTo(everything(), .02);
  isMoved = false;
}
// All of it if that can be read, otherwise the changes, or the beginning.
function home() {
  const changes = everything().filter(i => items[i].members.some(number => isChange(nodes[number])));
  zoomTo(everything(), .02);
  if (scale < SMALLEST) zoomTo(changes.length ? changes : everything(), READABLE, 1);
  isMoved = false;
}
// Scrolls a box into view, by as little as possible.
function reveal(i) {
  const into = (at, size, room) => Math.max(20 - at, Math.min(0, room - 20 - size - at));
  const { width, height } = room();
  left += into(left + places.x[i] * scale, size.width * scale, width);
  top += into(top + places.y[i] * scale, size.height * scale, height);
  show();
}
svg.addEventListener('wheel', event => {
  event.preventDefault();
  const edge = svg.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * .0015), event.clientX - edge.left, event.clientY - edge.top);
}, { passive: false });
let grip = null;
svg.addEventListener('pointerdown', event => { if (!event.target.closest('.node')) { grip = [event.clientX - left, event.clientY - top]; svg.setPointerCapture(event.pointerId); svg.classList.add('moving'); } });
svg.addEventListener('pointermove', event => { if (grip) { [left, top] = [event.clientX - grip[0], event.clientY - grip[1]]; isMoved = true; show(); } });
svg.addEventListener('pointerup', () => { grip = null; svg.classList.remove('moving'); });
by('in').addEventListener('click', () => zoom(1.3));
by('out').addEventListener('click', () => zoom(1 / 1.3));
by('fit').addEventListener('click', fit);
addEventListener('resize', () => { if (!isMoved) home(); });

// Finds resources: shows them in the drawing of all, and returns to the part from which the search began.
let partBefore = null;
const isFound = node => `${node.address} ${node.id ?? ''}`.toLowerCase().includes(search.value.trim().toLowerCase());
const isSearching = () => search.value.trim() !== '';
function dim() {
  items.forEach((item, i) => boxes[i].classList.toggle('dim', isSearching() && !item.members.some(number => isFound(nodes[number]))));
}
search.addEventListener('input', () => {
  if (isSearching() && part === SECTIONS) { partBefore = part; showPart(ALL); }
  if (!isSearching() && partBefore !== null) { showPart(partBefore); partBefore = null; }
  dim();
  const found = everything().filter(i => items[i].members.some(number => isFound(nodes[number])));
  by('found').textContent = isSearching() ? `${found.length} found` : '';
  if (!isSearching()) home();
  else if (found.length) zoomTo(found, READABLE, 1.1);
});
search.addEventListener('keydown', event => {
  const found = nodes.map((_, number) => number).filter(number => isFound(nodes[number]));
  if (event.key === 'Enter' && isSearching() && found.length) choose(found[(found.indexOf(chosen) + 1) % found.length]);
});
