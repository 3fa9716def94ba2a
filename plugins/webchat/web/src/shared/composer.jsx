import {useLayoutEffect, useRef} from 'preact/hooks';
import {Icon} from './icons.jsx';

/** The text of a message that was taken back, before what is being written: neither is lost. */
export function withDraft(text, draft) { return draft.trim() ? `${text}\n${draft}` : text; }

/**
 * The line one writes on. It grows to five lines; Enter sends, Shift+Enter breaks; Enter that ends an input method's
 * composition only ends that. The text lives with the caller, so that a draft survives what the caller does.
 *
 * @param {object} props
 * @param {number} props.limit in Unicode code points
 * @param {function(string)} props.onSend called with trimmed text
 * @param {object} [props.start] what stands before the field
 * @param {object} props.field a ref that receives the textarea
 */
export function Composer({value, limit, label, placeholder, onInput, onSend, onKeyDown, start, field}) {
  const form = useRef(null);
  const text = value.trim();
  const length = text.length > limit * 0.9 ? [...text].length : 0;
  const over = length > limit;
  const ready = text !== '' && !over;

  useLayoutEffect(() => {
    const el = field.current;
    el.style.height = 'auto';
    el.style.height = `${el.scrollHeight}px`;
  }, [value]);

  const send = (event) => {
    event.preventDefault();
    if (ready) onSend(text.replace(/\r\n?/g, '\n'));
    field.current.focus();
  };
  const keyDown = (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
      send(event);
      return;
    }
    if (onKeyDown) onKeyDown(event);
  };
  return (
    <form class="composer" ref={form} onSubmit={send}>
      {start}
      <div class="composer-field">
        <textarea ref={field} rows={1} value={value} aria-label={label} placeholder={placeholder}
          aria-invalid={over ? 'true' : undefined} enterKeyHint="send" autoComplete="off"
          onInput={(event) => onInput(event.currentTarget.value)} onKeyDown={keyDown} />
        {length > 0 && <span class={over ? 'composer-count over' : 'composer-count'} role="status">{over ? `${length - limit} too many` : `${limit - length} left`}</span>}
      </div>
      <button type="submit" class="send" aria-label="Send" aria-disabled={ready ? 'false' : 'true'}><Icon name="send" /></button>
    </form>
  );
}
