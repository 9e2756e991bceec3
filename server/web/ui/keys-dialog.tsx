/** What the keyboard does. */
import { Dialog } from './dialog.tsx'

const KEYS: readonly (readonly [string, string])[] = [
  ['n', 'New experiment'],
  ['l', 'All experiments'],
  ['Space', 'Play or pause the memory map'],
  [', .', 'Memory map: one step back, one step forward'],
  ['← →', 'On the time slider: the same; Home and End: start and end'],
  ['?', 'This list'],
  ['Esc', 'Close a dialog'],
]

export function KeysDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl class="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
