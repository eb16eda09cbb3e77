// How the reference looks: one stylesheet, light and dark, no fonts or images from anywhere.

export const REFERENCE_STYLE = `
:root { color-scheme: light dark; --ink: #1d2530; --quiet: #556272; --paper: #fff; --panel: #f4f6f8; --rule: #d9dfe5; --link: #0b5cad;
  --get: #0a6b48; --post: #0b5cad; --change: #8a5200; --delete: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ef; --quiet: #a3b0bf; --paper: #12171d; --panel: #1a212a; --rule: #323d4a;
  --link: #7cb7ff; --get: #5fd3a4; --post: #7cb7ff; --change: #f0b35f; --delete: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 16px/1.55 system-ui, sans-serif; display: grid;
  grid-template-columns: 15rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.25rem 1rem; background: var(--panel); border-right: 1px solid var(--rule); }
nav ul { list-style: none; margin: 0; padding: 0; }
nav a { display: block; padding: .2rem .5rem; border-radius: .3rem; color: inherit; text-decoration: none; }
nav a:hover { text-decoration: underline; }
nav a[aria-current] { background: var(--rule); font-weight: 600; }
.brand { margin: 0 0 .75rem .5rem; font-weight: 700; font-size: 1.1rem; }
main { padding: 1.5rem 2rem 4rem; max-width: 72rem; min-width: 0; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
h2 a { color: inherit; text-decoration: none; }
h2 a:hover { text-decoration: underline; }
h3 { font-size: 1rem; margin: 1.25rem 0 .4rem; }
a { color: var(--link); }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
code, pre { font: .875em/1.5 ui-monospace, Consolas, monospace; }
code { overflow-wrap: anywhere; }
pre, .note { background: var(--panel); border: 1px solid var(--rule); border-radius: .4rem; padding: .8rem 1rem; overflow-x: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--rule); }
th { color: var(--quiet); font-weight: 600; }
td:first-child { white-space: nowrap; }
td:first-child code { overflow-wrap: normal; }
.list td:first-child { width: 6rem; } .list td:nth-child(2) { width: 55%; }
small, .quiet { color: var(--quiet); font-size: .85em; }
.call b, .list b { display: inline-block; min-width: 4.2em; }
b.get { color: var(--get); } b.post { color: var(--post); } b.patch, b.put { color: var(--change); } b.delete { color: var(--delete); }
b.s2 { color: var(--get); } b.s4, b.s5 { color: var(--delete); }
.skip { position: absolute; left: -999rem; } .skip:focus { left: 1rem; top: .5rem; background: var(--paper); padding: .5rem; z-index: 1; }
@media (max-width: 50rem) { body { display: block; } nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--rule); }
  nav ul { display: flex; flex-wrap: wrap; } main { padding: 1rem; } nav, .brand { font-size: .92rem; } .brand { font-size: 1.1rem; }
  thead { position: absolute; left: -999rem; } table, tbody { display: block; } tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--rule); }
  td, td:first-child, .list td:first-child, .list td:nth-child(2) { display: block; width: auto; padding: .1rem 0; border: 0; white-space: normal; }
  .list td:first-child { display: inline-block; } .list td:nth-child(2) { display: inline; } }
`;
