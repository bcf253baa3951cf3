
// Past runs: a list, and the record of one in the panel.
const outcomeOf = past => past.running ? 'running' : past.outcome?.replaceAll('_', ' ') ?? 'unfinished';
const outcomeKind = past => past.running ? '' : { done: 'good', rolled_back: 'warn', kept: 'warn', waiting: 'warn' }[past.outcome] ?? 'bad';
const countsOf = ({ create, update, delete: deleted }) => [create && `+${create}`, update && `~${update}`, deleted && `-${deleted}`].filter(Boolean).join(' ');
const took = past => past.ended_at ? period((Date.parse(past.ended_at) - Date.parse(past.started_at)) / 1000) : '';
function showHistory() {
  const entries = stack.history.map(past => {
    const word = html('span', outcomeOf(past));
    word.className = outcomeKind(past);
    const item = html('li', null, button(`#${past.revision}`, () => showPast(past.revision)), ` ${past.procedure ?? past.command ?? 'unreadable'}, `, word);
    if (past.counts) {
      item.append(`  ${countsOf(past.counts)}`);
      item.append(line([time(Date.parse(past.started_at)), took(past), past.actor].filter(Boolean).join(' · '), 'faint'));
    }
    item.className = 'entry';
    return item;
  });
  historyPart.replaceChildren(...entries.length ? folded('history', entries, 6, count => `${count} earlier`) : [line('No runs yet.', 'faint')]);
}
async function showPast(revision) {
  const answer = await fetch(`runs/${revision}`).catch(() => null);
  if (!answer?.ok) return;
  const past = await answer.json();
  const about = past.revision;
  if (chosen !== null) closePanel();
  const word = html('dd', outcomeOf(about) + (about.unfinished && about.outcome ? ', unfinished' : ''));
  word.className = outcomeKind(about);
  const definition = html('dd', about.definition?.slice(0, 12));
  definition.title = about.definition ?? '';
  const content = [html('h2', `Revision ${revision}`), facts([
    ['Command', about.procedure ?? about.command],
    ['Outcome', word],
    ['Started', time(Date.parse(about.started_at))],
    ['Took', took(about)],
    ['Who', about.actor],
    ['Continues', about.continues && `revision ${about.continues}`],
    ['Commit', about.commit],
    ['Definition', about.definition && definition],
  ])];
  const changes = (title, all, kind, details = []) => {
    if (!all?.length) return;
    const entries = all.map(({ address, action, code }, i) => {
      const [sign, style] = signs[action] ?? ['·', ''];
      const mark = html('span', sign);
      mark.className = `sign ${kind ?? style}`;
      const words = html('span', ` ${meanings[action] ?? action}${code ? `: ${code}` : ''}`);
      words.className = code ? 'bad' : 'faint';
      const item = html('li', null, mark, link(address), words);
      if (details[i]) {
        const pre = detailsOf(details[i]);
        if (action === 'create') pre.className = 'faint';
        item.append(pre);
      }
      return item;
    });
    content.push(html('h3', title), html('ul', null, ...entries));
  };
  if (past.rolled_back_because) content.push(line(`Rolled back: ${past.rolled_back_because}`, 'warn'));
  changes('Failed calls', past.failed, 'bad');
  changes('Changes', past.changes, null, past.details.changes);
  changes('Rolled back', past.rolled_back, null, past.details.rolled_back);
  openPanel(...content);
}
