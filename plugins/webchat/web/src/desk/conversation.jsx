import {useLayoutEffect, useRef, useState} from 'preact/hooks';
import {Composer, withDraft} from '../shared/composer.jsx';
import {DropHint, useFileDrop} from '../shared/drop.jsx';
import {FilePicker} from '../shared/files.jsx';
import {Icon} from '../shared/icons.jsx';
import {useKeptFocus} from '../shared/keptfocus.js';
import {Thread} from '../shared/thread.jsx';
import {channelName, nameOf} from './address.js';
import {keep, keptOf} from './kept.js';
import {toMessages} from './view.jsx';

// The longest text any of our channels takes in one message; the hub judges each by its own account.
const limit = 4000;

/** The middle column: head, thread, reply. A draft stays with its conversation. `quiet`: the field is not entered at once. */
export function Conversation({store, state, conversation: c, field, quiet, details, opener, onDetails, onBack}) {
  const [draft, setDraft] = useState(keptOf(`draft:${c.id}`));
  const [asking, setAsking] = useState(false);
  const thread = state.threads[c.id];
  const section = useRef(null);
  const ender = useRef(null);
  const keepOpen = () => {
    setAsking(false);
    ender.current?.focus();
  };
  // On a touch screen the keyboard would come up with the field.
  const touch = matchMedia('(pointer: coarse)').matches;
  useKeptFocus(section, () => (touch ? section : field).current.focus());
  const write = (text) => {
    keep(`draft:${c.id}`, text);
    setDraft(text);
  };
  const messages = toMessages(c, thread, store.sending, {
    again: (key) => store.sending.again(c, key),
    edit: (key) => {
      write(withDraft(store.sending.takeBack(c.id, key), draft));
      field.current.focus();
    },
    drop: (key) => {
      store.sending.takeBack(c.id, key);
      field.current.focus();
    },
    download: (file) => store.download(file),
  }, state.fetches);
  const attach = (files) => {
    store.sendFiles(c, files);
    field.current?.focus();
  };
  const {over, handlers} = useFileDrop(attach);
  useLayoutEffect(() => {
    if (!quiet && !touch) field.current?.focus({preventScroll: true});
    return () => { field.current = null; };
  }, []);

  return (
    <section class="conversation" ref={section} tabIndex={-1} aria-label={`Conversation with ${nameOf(c.contact)}`} {...handlers}>
      <header class="conversation-head">
        <button type="button" class="icon-button to-list" aria-label="Back to the list" onClick={onBack}><Icon name="back" class="flip" /></button>
        <div class="conversation-title">
          <h2><bdi>{nameOf(c.contact)}</bdi></h2>
          <p>{channelName(c.channel)} · {c.account_id} · <span class={`state ${c.state}`}>{c.state === 'ended' ? 'Ended' : 'Open'}</span></p>
        </div>
        {c.state === 'open' && <button type="button" class="icon-button" ref={ender} aria-label="End conversation" title="End conversation" onClick={() => setAsking(true)}><Icon name="end" class="flip" /></button>}
        <button type="button" class="icon-button to-details" ref={opener} aria-label="Contact" title="Contact" aria-pressed={details ? 'true' : 'false'} onClick={onDetails}><Icon name="person" /></button>
      </header>
      {asking && c.state === 'open' && <EndConfirm store={store} id={c.id} onClose={keepOpen} />}
      <Thread messages={messages} notices={state.notices[c.id]} typing={state.typing[c.id] && `${nameOf(c.contact)} is typing`} label={`Messages with ${nameOf(c.contact)}`}
        busy={!thread || thread.next === null} above={<Above store={store} id={c.id} thread={thread} />} />
      {c.state === 'ended' && <p class="foot-note">This conversation has ended. A reply still reaches the customer; their next message starts a new session.</p>}
      <Composer field={field} value={draft} limit={limit} label={`Reply to ${nameOf(c.contact)}`} placeholder="Write a reply"
        start={<FilePicker label="Attach a file" onPick={attach} />}
        onInput={(text) => { write(text); if (text.trim()) store.typing(c.id); }}
        onSend={(text) => { store.send(c, text); write(''); }}
        onKeyDown={(event) => { if (event.key === 'Escape') event.currentTarget.blur(); }} />
      <DropHint over={over}>Drop files here to send them</DropHint>
    </section>
  );
}

/** What stands above the oldest message: a way further back, a skeleton, or what went wrong. */
function Above({store, id, thread}) {
  if (!thread || (thread.loading && thread.messages.length === 0)) {
    return (
      <div class="skeleton thread" role="status">
        <span class="sr">Loading messages</span><span class="bone" /><span class="bone short" /><span class="bone ours" /><span class="bone" />
      </div>
    );
  }
  if (thread.problem) {
    return <p class="earlier" role="alert">The messages could not be read: {thread.problem.detail || thread.problem.message}. <button type="button" class="link-button" onClick={() => store.reload(id)}>Try again</button></p>;
  }
  if (thread.next) return <p class="earlier"><button type="button" class="button" onClick={() => store.earlier(id)}>Show earlier messages</button></p>;
  return thread.messages.length === 0 ? <p class="earlier">No message is kept any more.</p> : null;
}

function EndConfirm({store, id, onClose}) {
  const [problem, setProblem] = useState(null);
  const no = useRef(null);
  useLayoutEffect(() => no.current.focus(), []);
  const end = () => store.end(id).then(onClose, setProblem);
  return (
    <div class="ask" role="alertdialog" aria-labelledby="ask-title" onKeyDown={(event) => { if (event.key === 'Escape') onClose(); }}>
      <p id="ask-title">{problem ? `It was not ended: ${problem.detail || problem.message}.` : 'End this conversation? The customer is told and can start a new one.'}</p>
      <button type="button" class="button" onClick={onClose} ref={no}>Keep it open</button>
      <button type="button" class="button danger" onClick={end}>{problem ? 'Try again' : 'End conversation'}</button>
    </div>
  );
}
