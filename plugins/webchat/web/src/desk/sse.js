/**
 * Reads a text/event-stream body and calls back with `(data, id)` for each event. Resolves when the stream ends. Any
 * bytes, a comment included, count as a sign of life for `alive`.
 */
export async function readEventStream(body, onEvent, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let data = [];
  let id = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    alive();
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (data.length) onEvent(data.join('\n'), id);
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const name = colon < 0 ? line : line.slice(0, colon);
      const text = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'data') data.push(text);
      else if (name === 'id') id = text;
    }
  }
}
