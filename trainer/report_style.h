// The style sheet of report.html.
#ifndef TIDEWAY_TRAINER_REPORT_STYLE_H_
#define TIDEWAY_TRAINER_REPORT_STYLE_H_

namespace tideway::trainer {

inline constexpr char kReportStyle[] = R"css(
:root{--bg:#fbfbfa;--card:#fff;--ink:#1d2433;--soft:#667085;--line:#e4e7ec;--accent:#0b6e99;
--s0:#0b6e99;--s1:#d9730d;--s2:#0f7b6c;--s3:#ad1a72;--s4:#6940a5;--s5:#dfab01;--s6:#e03e3e;--s7:#64473a}
@media (prefers-color-scheme:dark){:root{--bg:#14171c;--card:#1c2027;--ink:#e6e9ef;--soft:#98a2b3;
--line:#2c323c;--accent:#5bb8e0;--s0:#5bb8e0;--s1:#ff9f54;--s2:#4fc9b2;--s3:#ef7fc0;--s4:#b08ae8;
--s5:#f0cb4b;--s6:#ff8080;--s7:#c9a898}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:26px;margin:0 0 2px;letter-spacing:-.01em}
h2{font-size:18px;margin:36px 0 12px}
.sub{color:var(--soft);margin:0 0 22px}
.warn{border-left:4px solid var(--s1);padding:8px 14px;background:var(--card);margin:0 0 18px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:14px}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:24px;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.tile span{color:var(--soft);font-size:13px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));gap:16px}
.card{padding:10px 12px;min-width:0}
.wide{overflow-x:auto}
svg{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}
svg .title{font-size:14px;font-weight:600;fill:var(--ink)}
svg .tick,svg .label{fill:var(--soft)} svg .legend{fill:var(--ink)}
svg .grid{stroke:var(--line)} svg .axis{stroke:var(--soft)}
svg .level{stroke:var(--soft);stroke-dasharray:4 4}
svg .curve{fill:none;stroke-width:1.4;stroke-linejoin:round;opacity:.85}
svg .strong{stroke-width:2.4;opacity:1} svg .bar{fill:var(--accent)}
svg .curve.s0{stroke:var(--s0)} svg .curve.s1{stroke:var(--s1)} svg .curve.s2{stroke:var(--s2)}
svg .curve.s3{stroke:var(--s3)} svg .curve.s4{stroke:var(--s4)} svg .curve.s5{stroke:var(--s5)}
svg .curve.s6{stroke:var(--s6)} svg .curve.s7{stroke:var(--s7)}
svg .dot.s0{fill:var(--s0)} svg .dot.s1{fill:var(--s1)} svg .dot.s2{fill:var(--s2)}
svg .dot.s3{fill:var(--s3)} svg .dot.s4{fill:var(--s4)} svg .dot.s5{fill:var(--s5)}
svg .dot.s6{fill:var(--s6)} svg .dot.s7{fill:var(--s7)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:500} td.n,th.n{text-align:right}
td:first-child{color:var(--soft);white-space:nowrap}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));gap:16px;align-items:start}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font:14px/1.55 ui-monospace,Menlo,Consolas,monospace}
footer{color:var(--soft);margin-top:36px;font-size:13px}
)css";

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_REPORT_STYLE_H_
