import {useLayoutEffect, useRef} from 'preact/hooks';
import {instantOf} from '../shared/clock.js';
import {Icon} from '../shared/icons.jsx';
import {channelIcon, channelName, kindName, masked, nameOf} from './address.js';
import {browserOf, pageOf, rowsOf} from './context.js';

/** The right column: whom one talks to, and where. Addresses stay masked. `open`: where there is no room for it, it lies above the rest. */
export function Contact({conversation: c, context, open, onClose}) {
  const close = useRef(null);
  useLayoutEffect(() => {
    if (open) close.current.focus();
  }, [open]);
  const addresses = c.contact?.addresses?.length ? c.contact.addresses : c.contact?.address ? [{kind: c.contact.address_kind, value: c.contact.address}] : [];
  return (
    <aside class="contact" aria-label="Contact" onKeyDown={(event) => { if (open && event.key === 'Escape') onClose(); }}>
      <button type="button" class="icon-button contact-close" ref={close} aria-label="Close contact" onClick={onClose}><Icon name="close" /></button>
      <div class="contact-top">
        <span class="contact-mark"><Icon name="person" /></span>
        <h2>{nameOf(c.contact)}</h2>
        <p><Icon name={channelIcon(c.channel)} />{channelName(c.channel)}</p>
      </div>
      <dl>
        {addresses.map((a) => <div key={a.kind + a.value}><dt>{kindName(a.kind)}</dt><dd>{masked(a.value)}</dd></div>)}
        <div><dt>Account</dt><dd>{c.account_id}</dd></div>
        <div><dt>State</dt><dd class={`state ${c.state}`}>{c.state === 'ended' ? 'Ended' : 'Open'}</dd></div>
        {c.last_event_at && <div><dt>Last activity</dt><dd><time dateTime={c.last_event_at}>{instantOf(c.last_event_at)}</time></dd></div>}
        <div><dt>Conversation</dt><dd class="code" title={c.id}>{masked(c.id)}</dd></div>
        {c.session_id && <div><dt>Session</dt><dd class="code" title={c.session_id}>{masked(c.session_id)}</dd></div>}
      </dl>
      {context && <Context context={context} />}
    </aside>
  );
}

/** What the customer's browser tells of itself. It is text from a stranger: shown as such, and linked to nothing. */
function Context({context}) {
  const page = pageOf(context.page);
  return (
    <section class="context" aria-label="While the session lasts">
      <h3>While the session lasts</h3>
      <dl>
        {page.url && <div class="tall"><dt>Page</dt><dd>{page.title && <bdi>{page.title}</bdi>}<bdi class="soft">{page.url}</bdi></dd></div>}
        {page.referrer && <div class="tall"><dt>Came from</dt><dd><bdi>{page.referrer}</bdi></dd></div>}
        {context.user_agent && <div><dt>Browser</dt><dd title={context.user_agent}>{browserOf(context.user_agent)}</dd></div>}
        {context.ip && <div><dt>Network address</dt><dd class="code">{context.ip}</dd></div>}
      </dl>
      <Told title="Told by the page" values={context.data} />
      <Told title="Cookies" values={context.cookies} />
    </section>
  );
}

function Told({title, values}) {
  const rows = rowsOf(values);
  return rows.length > 0 && (
    <>
      <h4>{title}</h4>
      <dl>{rows.map(([name, value]) => <div key={name}><dt><bdi>{name}</bdi></dt><dd><bdi>{value}</bdi></dd></div>)}</dl>
    </>
  );
}
