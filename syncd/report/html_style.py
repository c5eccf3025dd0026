"""The style sheet of the HTML report: readable on a screen in light and dark, and on paper.

It stands in the page itself, which asks nobody for anything. Text and background keep a contrast of at least 4.5 to 1.
"""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --text: #1b2430; --soft: #55606e; --page: #f6f7f9; --card: #ffffff;
  --line: #d9dee5; --band: #eef1f5; --link: #0b57a4; --error: #b3151f; --error-bg: #fdecec; --warning: #7a4d00;
  --warning-bg: #fdf3dc; --info: #0b5a78; --info-bg: #e5f3f9; --good: #1b6b3a; --good-bg: #e6f4ea; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ee; --soft: #a5afbc; --page: #12161c; --card: #1a2029;
  --line: #323b47; --band: #222a35; --link: #7db7f5; --error: #ff9a9a; --error-bg: #45181c; --warning: #f3c969;
  --warning-bg: #3d2f0d; --info: #8fd3f0; --info-bg: #11323f; --good: #8fd6a8; --good-bg: #15351f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main, header, footer { max-width: 74rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2rem; } footer { padding-bottom: 3rem; color: var(--soft); font-size: .87rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; } h3 { font-size: .95rem; margin: .9rem 0 .2rem; }
p { margin: .4rem 0; } a { color: var(--link); } code { font: .92em ui-monospace, Consolas, monospace; }
.soft { color: var(--soft); } .num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 1rem 0 0; padding: 0; }
.verdict { font-size: 1.1rem; font-weight: 600; margin: 1.25rem 0 .75rem; }
.alert { background: var(--error-bg); color: var(--error); border-left: 5px solid var(--error); border-radius: 4px;
  padding: .6rem 1rem; margin: 1rem 0; font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 0; }
.cards div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem 1rem; }
.cards dt { color: var(--soft); font-size: .85rem; }
.cards dd { margin: 0; font-size: 1.55rem; font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.25; }
.cards .error dd { color: var(--error); } .cards .warning dd { color: var(--warning); }
.cards .info dd { color: var(--info); } .cards .good dd { color: var(--good); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding: .6rem .8rem; color: var(--soft); }
th, td { text-align: left; vertical-align: top; padding: .45rem .8rem; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; }
thead th { border-top: 0; font-size: .82rem; color: var(--soft); font-weight: 600; white-space: nowrap; }
th.num { text-align: right; }
.code { white-space: nowrap; font-weight: 600; } .code, .fix { font-variant-numeric: tabular-nums; }
.who th { background: var(--band); font-weight: 400; } .who b { font-weight: 650; margin-right: .5rem; }
.who span { display: inline-block; color: var(--soft); margin-right: 1rem; }
.state { white-space: nowrap; }
.beneath td:first-child { padding-left: 2rem; }
.pill { display: inline-block; white-space: nowrap; border-radius: 99px; padding: 0 .6rem; font-size: .82rem;
  font-weight: 600; line-height: 1.55; }
.pill.error { background: var(--error-bg); color: var(--error); }
.pill.warning { background: var(--warning-bg); color: var(--warning); }
.pill.info { background: var(--info-bg); color: var(--info); } .safe { color: var(--good); }
.phrase { color: var(--soft); font-size: .87rem; } .phrase::before { content: "Chart: "; }
.bar { display: block; width: 100%; min-width: 6rem; height: .7rem; margin-top: .4rem; }
.bar rect { fill: var(--link); opacity: .75; }
details { margin: .15rem 0; } summary { cursor: pointer; }
details > div { max-width: 62rem; padding: .1rem 0 .5rem 1.1rem; }
@media print { :root { color-scheme: light; } body { background: #fff; font-size: 10.5pt; } nav { display: none; }
  .scroll { overflow: visible; border: 0; } thead { display: table-header-group; } tr { break-inside: avoid; }
  h2 { break-after: avoid; } main, header, footer { max-width: none; padding: 0; } }
"""
"""The whole style sheet."""
