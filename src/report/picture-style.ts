/** How a picture looks, in light and dark and on paper. It carries this with it when it is taken along. */

// Named, so that the formatter knows what it is.
const css = String.raw

export const PICTURE = css`
  .picture {
    --paper: #fff;
    --ink: #1c2330;
    --quiet: #5b6474;
    --rule: #dfe3ea;
    --held: #1f6feb;
    --work: #8a6100;
    --bad: #c02626;
    --bad-soft: #fbd9d6;
    --soft: #eef1f6;
    --pin: #fff;
  }
  @media (prefers-color-scheme: dark) {
    .picture {
      --paper: #12161d;
      --ink: #e6e9ef;
      --quiet: #a3adbd;
      --rule: #2b323e;
      --held: #5a9bff;
      --work: #e0b040;
      --bad: #ff8178;
      --bad-soft: #4a2021;
      --soft: #1d232d;
      --pin: #1a202a;
    }
  }
  @media print {
    .picture {
      --paper: #fff;
      --ink: #000;
      --quiet: #444;
      --rule: #ccc;
      --held: #1f6feb;
      --work: #8a6100;
      --bad: #c02626;
      --bad-soft: #fbd9d6;
      --soft: #eee;
      --pin: #fff;
    }
  }
  .picture {
    font:
      11px system-ui,
      -apple-system,
      'Segoe UI',
      Roboto,
      'DejaVu Sans',
      sans-serif;
  }
  .picture text {
    fill: var(--ink);
  }
  .picture .paper {
    fill: var(--paper);
  }
  .picture .name {
    font-size: 13px;
    font-weight: 600;
  }
  .picture .axis line {
    stroke: var(--rule);
  }
  .picture .axis text,
  .picture .legend text {
    fill: var(--quiet);
  }
  .picture .break {
    fill: var(--soft);
    stroke: var(--quiet);
    stroke-dasharray: 2 3;
    stroke-opacity: 0.6;
  }
  .picture .base {
    stroke: var(--rule);
  }
  .picture .held rect {
    fill: var(--held);
  }
  .picture .waiting rect {
    fill: var(--quiet);
  }
  .picture .working rect {
    fill: var(--soft);
    stroke: var(--work);
    stroke-width: 1.5;
  }
  .picture .stale rect {
    stroke: var(--bad);
    stroke-width: 1.5;
  }
  .picture .hatch-paper {
    fill: var(--bad-soft);
  }
  .picture .hatch-ink {
    fill: var(--bad);
  }
  .picture .renewal line {
    stroke: var(--ink);
    stroke-width: 1.5;
  }
  .picture .touch {
    fill: transparent;
  }
  .picture .stem {
    stroke: var(--quiet);
  }
  .picture .stem.bad {
    stroke: var(--bad);
  }
  .picture .pin rect {
    fill: var(--pin);
    stroke: var(--quiet);
  }
  .picture .pin.bad rect {
    fill: var(--bad);
    stroke: var(--bad);
  }
  .picture .pin text {
    font-weight: 600;
    font-variant-numeric: tabular-nums;
  }
  .picture .pin.bad text {
    fill: var(--paper);
  }
  .picture .glyph .solid {
    fill: var(--ink);
  }
  .picture .glyph .line {
    fill: none;
    stroke: var(--ink);
    stroke-width: 1.7;
  }
  .picture .pin.bad .solid {
    fill: var(--paper);
  }
  .picture .pin.bad .line {
    stroke: var(--paper);
  }
  .picture .item {
    outline: none;
    cursor: pointer;
  }
  .picture .item:hover rect:not(.touch),
  .picture .item:focus rect:not(.touch) {
    stroke: var(--ink);
    stroke-width: 2.5;
  }
  .picture .renewal:hover line,
  .picture .renewal:focus line {
    stroke-width: 4;
  }
  .picture .told text {
    font-size: 12px;
  }
  .picture .told .bad {
    fill: var(--bad);
  }
`
