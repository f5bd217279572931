/** The editor: CodeMirror in a shadow root, where its styles are adopted sheets, which the page's policy allows. */

import { autocompletion, closeBrackets, closeBracketsKeymap, type CompletionContext, completionKeymap, type CompletionResult } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { SQLDialect, sql } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { searchKeymap } from "@codemirror/search";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Completions } from "../api";
import { toPoints, toUnits } from "./split";
import { TYPES, WORDS } from "./words";

export interface Editor {
  text: () => string;
  /** Where the cursor is, and what is selected (the same place twice when nothing is). */
  selection: () => { from: number; to: number };
  replace: (text: string) => void;
  insert: (text: string) => void;
  /** Mark what is wrong; from `null` on nothing is. */
  mark: (problem: { from: number; to: number; message: string } | null) => void;
  focus: () => void;
}

export interface EditorActions {
  run: () => void;
  runAll: () => void;
  changed: (text: string) => void;
  complete: (text: string, position: number, signal: AbortSignal) => Promise<Completions>;
}

const dialect = SQLDialect.define({
  keywords: WORDS,
  types: TYPES,
  doubleDollarQuotedStrings: true,
  operatorChars: "*+-%<>!=&|~^/:@#?",
  specialVar: "$",
});

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--tone-1)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--tone-3)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--tone-2)" },
  { tag: tags.typeName, color: "var(--tone-7)" },
  { tag: [tags.lineComment, tags.blockComment], color: "var(--muted)", fontStyle: "italic" },
  { tag: tags.special(tags.name), color: "var(--tone-4)" },
]);

const look = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "13px", height: "100%" },
  "&.cm-focused": { outline: "0" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--text)", padding: "8px 0" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", border: "0", borderRight: "1px solid var(--line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--raised) 55%, transparent)" },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-ground)", outline: "1px solid var(--accent)" },
  ".cm-content ::selection, .cm-line::selection": { backgroundColor: "color-mix(in srgb, var(--accent) 32%, transparent)" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--line)", borderRadius: "6px", boxShadow: "var(--shadow)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12.5px", maxHeight: "16em" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "2px 8px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionDetail": { color: "inherit", opacity: "0.75", fontStyle: "normal", marginLeft: "1.2em" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-diagnostic": { padding: "6px 10px", borderLeft: "3px solid var(--bad)", whiteSpace: "pre-wrap", fontFamily: "var(--sans)" },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)" },
  ".cm-textfield, .cm-button": { backgroundImage: "none", backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--line-strong)" },
  // Instead of pictures in data addresses, which the page's policy keeps out.
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad) 1.5px", textUnderlineOffset: "3px" },
  ".cm-lintPoint-error:after": { borderBottomColor: "var(--bad)" },
  ".cm-lint-marker-error": { content: "normal", width: "0.7em", height: "0.7em", margin: "0.45em 0.1em 0", borderRadius: "50%", backgroundColor: "var(--bad)" },
  ".cm-gutter-lint": { width: "1.1em" },
});

const KINDS: Record<string, string> = { object: "class", table: "class", column: "property", setting: "constant", value: "constant", version: "constant" };

/** Asks the server at a word's first letters and behind a dot; what fits the letters after that is chosen here. */
function source(complete: EditorActions["complete"]) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const before = context.matchBefore(/[\w."']+$/);
    if (!context.explicit && (before === null || before.text.startsWith("'"))) return null;
    const text = context.state.doc.toString();
    const abort = new AbortController();
    context.addEventListener("abort", () => abort.abort(), { onDocChange: true });
    try {
      const found = await complete(text, toPoints(text, context.pos), abort.signal);
      if (context.aborted || found.candidates.length === 0) return null;
      const options = found.candidates.map((candidate, index) => ({
        label: candidate.text,
        type: KINDS[candidate.kind] ?? candidate.kind,
        detail: candidate.detail.slice(0, 60),
        boost: Math.max(-99, 50 - index),
      }));
      return { from: toUnits(text, found.start), options, validFor: /^"?\w*"?$/ };
    } catch {
      return null; // Completion must not disturb who is typing.
    }
  };
}

/**
 * What is typed over a selection is put in here. The browser would keep the look of what it replaces in a style attribute,
 * which the page's policy refuses.
 */
function typeOver(event: InputEvent, view: EditorView): boolean {
  const { from, to, empty } = view.state.selection.main;
  const text = event.data;
  if (event.inputType !== "insertText" || !text || empty || event.isComposing) return false;
  event.preventDefault();
  const insert = () => view.state.update(view.state.replaceSelection(text), { userEvent: "input.type", scrollIntoView: true });
  if (!view.state.facet(EditorView.inputHandler).some((handle) => handle(view, from, to, text, insert))) view.dispatch(insert());
  return true;
}

export function createEditor(host: HTMLElement, text: string, actions: EditorActions): { editor: Editor; destroy: () => void } {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const keys = Prec.highest(
    keymap.of([
      { key: "Mod-Enter", run: () => (actions.run(), true) },
      { key: "Shift-Mod-Enter", run: () => (actions.runAll(), true) },
    ]),
  );
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        keys,
        lineNumbers(),
        lintGutter(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        history(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        sql({ dialect, upperCaseKeywords: true }),
        autocompletion({ override: [source(actions.complete)], icons: false }),
        syntaxHighlighting(colours),
        look,
        EditorView.lineWrapping,
        EditorView.domEventHandlers({ beforeinput: typeOver }),
        EditorView.contentAttributes.of({ "aria-label": "Statements" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) actions.changed(update.state.doc.toString());
        }),
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap]),
      ],
    }),
  });
  const editor: Editor = {
    text: () => view.state.doc.toString(),
    selection: () => ({ from: view.state.selection.main.from, to: view.state.selection.main.to }),
    replace: (next) => {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next }, selection: { anchor: next.length }, scrollIntoView: true });
    },
    insert: (more) => {
      view.dispatch(view.state.replaceSelection(more));
      view.focus();
    },
    mark: (problem) => {
      const end = view.state.doc.length;
      const found = problem && { severity: "error" as const, message: problem.message, from: Math.min(problem.from, end), to: Math.min(problem.to, end) };
      view.dispatch(setDiagnostics(view.state, found ? [found] : []));
      if (found) view.dispatch({ effects: EditorView.scrollIntoView(found.from, { y: "nearest" }) });
    },
    focus: () => view.focus(),
  };
  return { editor, destroy: () => view.destroy() };
}
