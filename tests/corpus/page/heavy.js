const other = location.hostname === 'localhost' ? '127.0.0.1' : 'localhost';
document.getElementById('other').src =
  `${location.protocol}//${other}:${location.port}/npm/startbootstrap-shop-item/dist/index.html`;
const said = (text) => { document.getElementById('said').textContent += text + '\n'; };
let page = 0, busy = false;
async function more() {
  if (busy || page >= 8) return;
  busy = true;
  const list = await (await fetch(`/dyn/more?page=${page}`)).json();
  for (const number of list) {
    const image = new Image(); image.src = `picture-${number}.jpg`;
    document.getElementById('more').append(image);
  }
  page += 1; busy = false;
}
addEventListener('scroll', () => {
  if (innerHeight + scrollY > document.documentElement.scrollHeight - 1500) more();
});
const worker = new Worker('worker.js');
worker.onmessage = (event) => said(event.data);
navigator.serviceWorker?.register('sw.js').then(async () => {
  await navigator.serviceWorker.ready;
  said(await (await fetch('/dyn/through-service-worker')).text());
}).catch((error) => said(String(error)));
const socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/dyn/ws`);
socket.onopen = () => { for (let n = 0; n < 10; n++) socket.send(`frame ${n}`); };
socket.onmessage = (event) => said(event.data);
const events = new EventSource('/dyn/events');
events.onmessage = (event) => { said(event.data); if (event.data === 'last') events.close(); };
fetch('/dyn/chunked').then((answer) => answer.text()).then(said);
const abort = new AbortController();
fetch('/dyn/large', {signal: abort.signal}).then(async (answer) => {
  const reader = answer.body.getReader(); await reader.read(); abort.abort();
}).catch(() => said('aborted'));
fetch('/dyn/redirect/2').then((answer) => said(answer.url));
fetch('/dyn/tagged').then(() => fetch('/dyn/tagged', {cache: 'no-cache'}));
fetch('/dyn/post', {method: 'POST', body: new URLSearchParams({name: '值'})});
fetch('/dyn/post', {method: 'POST', body: JSON.stringify({n: 1}),
  headers: {'content-type': 'application/json'}});
fetch(`${location.protocol}//${other}:${location.port}/dyn/cors`,
  {method: 'PUT', body: 'x', headers: {'x-own': '1'}}).catch(() => said('cors'));
fetch('/dyn/post', {method: 'HEAD'});
navigator.sendBeacon('/dyn/beacon', 'gone');
fetch('/dyn/double');
fetch('/no-such-thing');
