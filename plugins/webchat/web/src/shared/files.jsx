import {useRef} from 'preact/hooks';
import {sizeOf} from './file.js';
import {Icon} from './icons.jsx';

/** The paperclip: opens the browser's own picker. `onPick` gets an array of files. */
export function FilePicker({label, types, onPick}) {
  const input = useRef(null);
  const pick = () => {
    const files = [...input.current.files];
    input.current.value = ''; // the same file may be picked again
    if (files.length > 0) onPick(files);
  };
  return (
    <>
      <button type="button" class="icon-button" aria-label={label} title={label} onClick={() => input.current.click()}><Icon name="attach" /></button>
      <input ref={input} type="file" hidden multiple accept={types?.join(',')} onChange={pick} />
    </>
  );
}

/**
 * The files of a message as chips: name, size, and how each stands.
 *
 * @param {Array<{id: string, name: string, size: number, kind: string, note?: string, bad?: boolean, progress?: number, progressWord?: string, onOpen?: function(), openWord?: string}>} files
 *   `progress` is a percentage; with `onOpen` the chip fetches the file
 */
export function Files({files}) {
  return (
    <span class="files">
      {files.map((f) => {
        const inside = (
          <>
            <Icon name={f.kind === 'image' ? 'image' : 'file'} />
            <span class="file-words">
              <bdi class="file-name">{f.name}</bdi>
              <span class={f.bad ? 'file-note bad' : 'file-note'}>{[f.size > 0 && sizeOf(f.size), f.note].filter(Boolean).join(' · ')}</span>
              {f.progress !== undefined && <progress max="100" value={f.progress} aria-label={f.progressWord} />}
            </span>
          </>
        );
        return f.onOpen
          ? <button type="button" class="file" key={f.id} title={f.openWord} onClick={f.onOpen}><span class="sr">{f.openWord}: </span>{inside}</button>
          : <span class="file" key={f.id}>{inside}</span>;
      })}
    </span>
  );
}
