/** How a page looks, its pictures apart: in light and dark, on paper, on a phone. */

// Named, so that the formatter knows what it is.
const css = String.raw

export const PAGE = css`
  :root {
    color-scheme: light dark;
    --paper: #fff;
    --ink: #1c2330;
    --quiet: #566070;
    --rule: #dfe3ea;
    --soft: #f4f6f9;
    --link: #0b5bd3;
    --good: #1a7431;
    --good-soft: #e3f4e6;
    --bad: #b42318;
    --bad-soft: #fde8e6;
    --mark: #fff3c4;
    --bar: #1f6feb;
  }
  @media (prefers-color-scheme: dark) {
    :root {
      --paper: #12161d;
      --ink: #e6e9ef;
      --quiet: #a3adbd;
      --rule: #2b323e;
      --soft: #1a202a;
      --link: #7db4ff;
      --good: #6fd483;
      --good-soft: #15301c;
      --bad: #ff8f86;
      --bad-soft: #3a1c1c;
      --mark: #4a3d0c;
      --bar: #5a9bff;
    }
  }
  * {
    box-sizing: border-box;
  }
  html {
    scroll-behavior: smooth;
    -webkit-text-size-adjust: 100%;
  }
  @media (prefers-reduced-motion: reduce) {
    html {
      scroll-behavior: auto;
    }
  }
  body {
    margin: 0;
    background: var(--paper);
    color: var(--ink);
    font:
      16px/1.55 system-ui,
      -apple-system,
      'Segoe UI',
      Roboto,
      'DejaVu Sans',
      sans-serif;
  }
  main,
  header,
  footer {
    max-width: 1020px;
    margin: 0 auto;
    padding: 0 20px;
  }
  header {
    padding-top: 32px;
  }
  footer {
    padding-bottom: 48px;
    color: var(--quiet);
    font-size: 14px;
  }
  a {
    color: var(--link);
  }
  h1,
  h2,
  p {
    overflow-wrap: anywhere;
  }
  h1 {
    font-size: 28px;
    line-height: 1.25;
    margin: 4px 0 8px;
    text-wrap: balance;
  }
  h2 {
    font-size: 20px;
    margin: 44px 0 10px;
    padding-top: 14px;
    border-top: 1px solid var(--rule);
  }
  h3 {
    font-size: 16px;
    margin: 28px 0 6px;
  }
  p {
    margin: 8px 0;
  }
  .kicker,
  .note {
    color: var(--quiet);
    font-size: 14px;
  }
  .kicker {
    margin: 0;
    overflow-wrap: anywhere;
  }
  .status {
    display: block;
    margin: 18px 0;
    padding: 12px 16px;
    border-radius: 8px;
    border-left: 6px solid var(--good);
    background: var(--good-soft);
    font-weight: 600;
  }
  .status.bad {
    border-color: var(--bad);
    background: var(--bad-soft);
  }
  .status p {
    margin: 0;
  }
  .status .note {
    font-weight: 400;
  }
  .beside {
    display: grid;
    grid-template-columns: minmax(220px, 2fr) 3fr;
    gap: 8px 32px;
    align-items: start;
  }
  blockquote {
    margin: 0;
    padding: 4px 0 4px 16px;
    border-left: 4px solid var(--rule);
    font-size: 18px;
    font-style: italic;
  }
  blockquote footer {
    max-width: none;
    margin: 8px 0 0;
    padding: 0;
    font-size: 14px;
    font-style: normal;
  }
  .scroll {
    overflow-x: auto;
  }
  table {
    border-collapse: collapse;
    font-size: 14px;
    width: 100%;
  }
  th,
  td {
    text-align: left;
    vertical-align: top;
    padding: 5px 14px 5px 0;
    border-bottom: 1px solid var(--rule);
  }
  th {
    color: var(--quiet);
    font-weight: 600;
  }
  td.figure,
  th.figure {
    text-align: right;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .events td.figure,
  .events th.figure {
    width: 1%;
  }
  .compact td {
    white-space: nowrap;
  }
  td.lead {
    white-space: nowrap;
    font-weight: 600;
  }
  tr:target {
    background: var(--mark);
  }
  tr.bad td {
    color: var(--bad);
  }
  .findings td:first-child {
    font-weight: 700;
    white-space: nowrap;
  }
  .ok {
    color: var(--good);
  }
  .no {
    color: var(--bad);
  }
  figure {
    margin: 12px 0 4px;
  }
  figure svg {
    max-width: 100%;
    height: auto;
    display: block;
  }
  .narrow {
    display: none;
  }
  .detail {
    min-height: 1.6em;
    margin: 2px 0;
    font-size: 14px;
    color: var(--quiet);
  }
  .tools {
    margin: 6px 0;
    font-size: 14px;
  }
  button {
    font: inherit;
    font-size: 14px;
    color: var(--ink);
    background: var(--soft);
    border: 1px solid var(--rule);
    border-radius: 6px;
    padding: 3px 10px;
    cursor: pointer;
  }
  :focus-visible {
    outline: 3px solid var(--link);
    outline-offset: 2px;
  }
  .charts {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(280px, 1fr));
    gap: 14px 32px;
    margin: 18px 0;
  }
  .chart {
    margin: 0;
  }
  .chart figcaption {
    font-weight: 600;
    font-size: 14px;
    margin-bottom: 2px;
  }
  .chart svg {
    width: 100%;
  }
  .chart text {
    font:
      12px system-ui,
      -apple-system,
      'Segoe UI',
      Roboto,
      'DejaVu Sans',
      sans-serif;
    fill: var(--ink);
  }
  .chart rect {
    fill: var(--bar);
  }
  .chart .bad rect {
    fill: var(--bad);
  }
  pre {
    overflow-x: auto;
    background: var(--soft);
    padding: 12px;
    border-radius: 8px;
    font-size: 13px;
    line-height: 1.4;
  }
  code {
    font-size: 0.92em;
    overflow-wrap: anywhere;
  }
  dl {
    display: grid;
    grid-template-columns: max-content 1fr;
    gap: 4px 18px;
    font-size: 14px;
  }
  dt {
    color: var(--quiet);
  }
  dd {
    margin: 0;
    overflow-wrap: anywhere;
  }
  @media (max-width: 700px) {
    main,
    header,
    footer {
      padding: 0 14px;
    }
    header {
      padding-top: 20px;
    }
    h1 {
      font-size: 23px;
    }
    .beside {
      grid-template-columns: 1fr;
    }
    .wide {
      display: none;
    }
    .narrow {
      display: block;
    }
    dl {
      grid-template-columns: 1fr;
      gap: 0;
    }
    dd {
      margin-bottom: 8px;
    }
    th,
    td {
      padding-right: 10px;
    }
  }
  @media print {
    :root {
      --paper: #fff;
      --ink: #000;
      --quiet: #444;
      --rule: #ccc;
      --soft: #f4f4f4;
      --link: #000;
      --good: #1a7431;
      --good-soft: #fff;
      --bad: #b42318;
      --bad-soft: #fff;
      --bar: #1f6feb;
    }
    .tools,
    .detail {
      display: none;
    }
    .wide {
      display: block;
    }
    .narrow {
      display: none;
    }
    figure,
    tr,
    blockquote,
    .status {
      break-inside: avoid;
    }
    h2,
    h3 {
      break-after: avoid;
    }
  }
`
