// The status page's one style sheet: light and dark, readable without colour, narrow and wide.
export const PAGE_STYLE = `
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --text: #1b1f24; --soft: #57606a; --line: #d5dae0;
  --good: #14692f; --bad: #a40e26; --warn: #7a4d00; --mark: #0a53b0; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0f1318; --card: #181d24; --text: #e8ecf1; --soft: #a3adb9; --line: #333b46;
    --good: #6fd08c; --bad: #ff9a9a; --warn: #f0c060; --mark: #8ab8ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
main { max-width: 78rem; margin: 0 auto; padding: 1.25rem 1rem 3rem; }
h1 { font-size: 1.4rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; margin-top: 1rem; }
.card.good { border-left: .35rem solid var(--good); }
.card.bad { border-left: .35rem solid var(--bad); }
.card ul { margin: .25rem 0 0; padding-left: 1.2rem; }
.card li { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.wide:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .45rem .75rem; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 600; white-space: nowrap; }
a { color: var(--mark); }
tbody th { font-weight: 600; min-width: 9rem; overflow-wrap: anywhere; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.text { min-width: 15rem; overflow-wrap: anywhere; }
time { white-space: nowrap; }
.state { font-weight: 600; white-space: nowrap; }
.state.good { color: var(--good); } .state.bad { color: var(--bad); } .state.warn { color: var(--warn); }
details summary { cursor: pointer; padding: .5rem 0; color: var(--mark); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dt { margin-top: .4rem; } }
`;
