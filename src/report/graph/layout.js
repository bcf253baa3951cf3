// Places boxes in columns, each to the right of its dependencies. A link that passes other columns has a lane of its own there, so that no
// link passes behind a box; links from the same box share their lanes.
const RESOURCE = { width: 200, height: 42, gap: 76, row: 53, lane: 13 };
// A stack has few sections, in a long chain.
const SECTION = { width: 152, height: 54, gap: 40, row: 70, lane: 14 };

// `links` are pairs { from, to } of numbers below `count`. Returns the top left corners of the boxes, and for each link
// its path and whether it leads backward, as one of each cycle does.
function layout(count, links, { width, height, gap, row, lane: laneHeight }) {
  const numbers = Array.from({ length: count }, (_, number) => number);
  const before = numbers.map(() => []), after = numbers.map(() => []);
  for (const { from, to } of links) { before[to].push(from); after[from].push(to); }

  // A cycle ends at the first repeated box.
  const column = numbers.map(() => -1);
  for (const first of numbers) {
    if (column[first] >= 0) continue;
    const stack = [[first, 0]], within = new Set([first]);
    while (stack.length) {
      const top = stack[stack.length - 1], [node, next] = top;
      if (next < before[node].length) {
        top[1]++;
        const need = before[node][next];
        if (column[need] < 0 && !within.has(need)) { within.add(need); stack.push([need, 0]); }
      } else {
        column[node] = before[node].reduce((most, need) => Math.max(most, column[need] + 1), 0);
        within.delete(node);
        stack.pop();
      }
    }
  }

  // Slots of columns: boxes, then lanes. Boxes without links are below the others.
  const alone = numbers.map(number => !before[number].length && !after[number].length);
  const [sources, targets, sizes, places] = [numbers.map(() => []), numbers.map(() => []), numbers.map(() => row), [...column]];
  const lanes = new Map();
  const connect = (from, to) => { if (!targets[from].includes(to)) { targets[from].push(to); sources[to].push(from); } };
  const routes = links.map(({ from, to }) => {
    const route = [];
    let last = from;
    for (let at = column[from] + 1; at < column[to]; at++) {
      const key = `${from} ${at}`;
      if (!lanes.has(key)) { lanes.set(key, sizes.length); sizes.push(laneHeight); places.push(at); sources.push([]); targets.push([]); }
      const lane = lanes.get(key);
      connect(last, lane);
      route.push(lane);
      last = lane;
    }
    connect(last, to);
    return route;
  });
  const columns = [];
  places.forEach((place, slot) => { if (!alone[slot]) (columns[place] ??= []).push(slot); });

  // Near the middle of the neighbours, without overlap.
  const y = sizes.map(() => 0);
  for (const list of columns) list?.forEach((slot, i) => { y[slot] = i * row; });
  const middle = near => near.reduce((sum, other) => sum + y[other], 0) / near.length;
  const apart = (a, b) => (sizes[a] + sizes[b]) / 2;
  for (let round = 0; round < 30; round++) {
    const forward = round % 2 === 0;
    for (const list of forward ? columns : [...columns].reverse()) {
      if (!list) continue;
      const wanted = new Map(list.map(slot => { const near = (forward ? sources : targets)[slot]; return [slot, near.length ? middle(near) : y[slot]]; }));
      list.sort((a, b) => wanted.get(a) - wanted.get(b) || a - b);
      const sum = list.reduce((sum, slot) => sum + wanted.get(slot), 0);
      list.forEach((slot, i) => { y[slot] = i ? Math.max(wanted.get(slot), y[list[i - 1]] + apart(list[i - 1], slot)) : wanted.get(slot); });
      const shift = (list.reduce((sum, slot) => sum + y[slot], 0) - sum) / list.length;
      for (const slot of list) y[slot] -= shift;
    }
  }
  // Removes empty bands, because parts without a link drift apart.
  let removed = 0, last = null;
  for (const slot of columns.flat().filter(slot => slot !== undefined).sort((a, b) => y[a] - y[b])) {
    if (last !== null) removed += Math.max(0, y[slot] - last - 1.3 * row);
    last = y[slot];
    y[slot] -= removed;
  }

  const x = places.map(place => place * (width + gap));
  const linked = numbers.filter(number => !alone[number]);
  const bottom = linked.reduce((most, number) => Math.max(most, y[number]), linked.length ? -Infinity : -2 * row);
  const single = numbers.filter(number => alone[number]);
  const across = Math.max(columns.length, Math.ceil(Math.sqrt(single.length / 2)), Math.min(3, single.length));
  single.forEach((number, i) => {
    x[number] = (i % across) * (width + gap);
    y[number] = bottom + 1.6 * row + Math.floor(i / across) * row;
  });
  const path = ({ from, to }, route) => {
    let [atX, atY, text] = [x[from] + width, y[from], `M${x[from] + width},${y[from]}`];
    const curve = (toX, toY) => {
      const bend = Math.max(30, (toX - atX) / 2);
      text += ` C${atX + bend},${atY} ${toX - bend},${toY} ${toX},${toY}`;
    };
    for (const lane of route) {
      curve(x[lane], y[lane]);
      text += ` H${x[lane] + width}`;
      [atX, atY] = [x[lane] + width, y[lane]];
    }
    curve(x[to], y[to]);
    return text;
  };
  return { x: numbers.map(number => x[number]), y: numbers.map(number => y[number] - height / 2), paths: links.map((link, i) => path(link, routes[i])), backward: links.map(({ from, to }) => column[to] <= column[from]) };
}
