// The text of a terminal without the terminal: for screen readers and for the browser's own selection.

import { strings } from "../strings.ts";
import { Dialog } from "../ui/dialog.tsx";

export function TextView({ text, onClose }: { readonly text: string; readonly onClose: () => void }) {
  return (
    <Dialog title={strings.textView} onClose={onClose}>
      <p class="quiet">{strings.textViewHint}</p>
      <pre class="text-view" tabIndex={0} role="region" aria-label={strings.textView}>
        {text}
      </pre>
    </Dialog>
  );
}
