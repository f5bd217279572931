/** Markdown (CommonMark's common part and tables), as React elements: what is markup in it stays text. */

import { Fragment, type ReactNode } from "react";
import { ErrorNote } from "../components/notice";
import { TwoForms } from "../components/two-forms";
import { useContent } from "../live/content";
import { type Block, blocksOf, type Span, spansOf } from "../markdown";
import type { ArtifactRow } from "../rows";
import { MOST, Text } from "./text";
import { type ArtifactViewer, ending, mediaType } from "./viewer";

export const viewer: ArtifactViewer = {
  order: 70,
  takes: (artifact) => mediaType(artifact) === "text/markdown" || (mediaType(artifact) === "text/plain" && ending(artifact) === "md"),
  View: Markdown,
};

function Markdown({ artifact }: { artifact: ArtifactRow }): ReactNode {
  const content = useContent(artifact, MOST);
  if (content.error) return <ErrorNote error={content.error} />;
  if (content.text === null) return <p className="waiting">Loading …</p>;
  return (
    <TwoForms
      source={<Text artifact={artifact} />}
      page={
        <div className="prose">
          {blocksOf(content.text).map((block, i) => (
            <BlockOf key={i} block={block} />
          ))}
        </div>
      }
    />
  );
}

function BlockOf({ block }: { block: Block }): ReactNode {
  switch (block.kind) {
    case "heading": {
      const Heading = block.level === 1 ? "h3" : "h4";
      return <Heading>{inline(block.text)}</Heading>;
    }
    case "code":
      return <pre tabIndex={0}>{block.text}</pre>;
    case "list": {
      const List = block.ordered ? "ol" : "ul";
      return (
        <List>
          {block.items.map((item, i) => (
            <li key={i}>{inline(item)}</li>
          ))}
        </List>
      );
    }
    case "table":
      return (
        <div className="table-box scroll" tabIndex={0} role="region" aria-label="Table">
          <table>
            <thead>
              <tr>
                {block.head.map((cell, i) => (
                  <th key={i}>{inline(cell)}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {block.rows.map((row, i) => (
                <tr key={i}>
                  {row.map((cell, j) => (
                    <td key={j}>{inline(cell)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    case "quote":
      return <blockquote>{inline(block.text)}</blockquote>;
    case "rule":
      return <hr />;
    case "text":
      return <p>{inline(block.text)}</p>;
  }
}

const inline = (text: string): ReactNode => spansOf(text).map((span, i) => <Fragment key={i}>{spanOf(span)}</Fragment>);

function spanOf(span: Span): ReactNode {
  switch (span.kind) {
    case "code":
      return <code>{span.text}</code>;
    case "strong":
      return <strong>{inline(span.text)}</strong>;
    case "emphasis":
      return <em>{inline(span.text)}</em>;
    case "link":
      return (
        <a href={span.address} target="_blank" rel="noreferrer">
          {span.text}
        </a>
      );
    case "text":
      return span.text;
  }
}
