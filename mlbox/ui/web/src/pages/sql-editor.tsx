/** The editor as a component. A module of its own: CodeMirror is loaded when this page is. */

import { type ReactNode, type RefObject, useEffect, useRef } from "react";
import { createEditor, type Editor, type EditorActions } from "../sql/editor";

interface EditorProps {
  initial: string;
  actions: EditorActions;
  editor: RefObject<Editor | null>;
}

export default function SqlEditor({ initial, actions, editor }: EditorProps): ReactNode {
  const host = useRef<HTMLDivElement>(null);
  const current = useRef(actions);
  current.current = actions;
  const text = useRef(initial);

  useEffect(() => {
    if (!host.current) return;
    const made = createEditor(host.current, text.current, {
      run: () => current.current.run(),
      runAll: () => current.current.runAll(),
      changed: (next) => current.current.changed(next),
      complete: (...place) => current.current.complete(...place),
    });
    editor.current = made.editor;
    return () => {
      text.current = made.editor.text();
      editor.current = null;
      made.destroy();
    };
  }, [editor]);

  return <div ref={host} className="editor" />;
}
