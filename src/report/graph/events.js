
home();
const events = new EventSource('events');
events.addEventListener('open', () => { status.textContent = 'Following the stack'; status.className = 'good'; });
events.addEventListener('error', () => { status.textContent = 'Disconnected: the server has ended, or is about to return.'; status.className = 'bad'; });
events.addEventListener('stack', event => showStack(JSON.parse(event.data)));
events.addEventListener('read', event => showRead(JSON.parse(event.data)));
events.addEventListener('run', event => {
  run = JSON.parse(event.data);
  if (stack) { showPlan(); showHistory(); }
  showRun();
  if (chosen !== null && !panel.hidden) showResource();
});
