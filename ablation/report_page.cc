#include "ablation/report_page.h"

#include "absl/strings/str_cat.h"
#include "report/html.h"
#include "report/plot.h"

namespace palimpsest {
namespace {

constexpr char kStyle[] = R"(<style>
:root{color-scheme:light dark;--page:#fff;--text:#1f2328;--quiet:#59636e;--line:#d8dee4;
--shade:#f6f8fa;--accent:#1f5fa8;--good:#187a3c;--bad:#b42318}
@media (prefers-color-scheme:dark){:root{--page:#15191e;--text:#d7dde3;--quiet:#98a2ad;
--line:#333b44;--shade:#1d2329;--accent:#7ab0e4;--good:#5fc573;--bad:#ff8a75}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 24px 64px}
h1{font-size:26px;line-height:1.25;margin:0 0 10px;overflow-wrap:anywhere}
h2{font-size:18px;margin:36px 0 12px;padding-bottom:6px;border-bottom:1px solid var(--line)}
.verdict{font-size:16px;margin:0 0 14px;padding:10px 14px;background:var(--shade);
border-left:3px solid var(--accent);border-radius:0 4px 4px 0;overflow-wrap:anywhere}
.lead{margin:0;color:var(--quiet)}
.varied{margin:2px 0 0;padding-left:20px;overflow-wrap:anywhere}
.table{overflow-x:auto;margin:0 0 6px}
section>.table:not(:first-of-type){margin-top:26px}
table.data{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
.data caption{text-align:left;font-weight:600;padding:0 0 6px}
.data th,.data td{padding:5px 14px 5px 0;text-align:left;vertical-align:baseline;
border-bottom:1px solid var(--line)}
.data td{white-space:nowrap}
.data th{color:var(--quiet);font-weight:600;white-space:nowrap;cursor:pointer;user-select:none}
.data th:hover{color:var(--text)}
.data th[aria-sort=ascending]::after{content:" ▴"}.data th[aria-sort=descending]::after{content:" ▾"}
.data .number{text-align:right}
.data tbody tr:hover{background:var(--shade)}
.data td:first-child{white-space:normal;min-width:9em;max-width:26em;overflow-wrap:break-word}
#lost .data td:last-child{white-space:normal;min-width:16em;overflow-wrap:anywhere}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.quiet{color:var(--quiet)}
.note,section>p{color:var(--quiet);font-size:13.5px;margin:4px 0;max-width:80ch;
overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:10px}
figure{margin:0;min-width:0}
figure svg{display:block;width:100%;height:auto;max-width:620px;overflow:visible}
.scale svg{display:block;max-width:100%;height:auto;margin:0 0 6px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;padding:0;margin:0 0 10px}
.legend button{all:unset;cursor:pointer;display:flex;align-items:center;gap:7px;font-size:14px;
overflow-wrap:anywhere}
.legend button:focus-visible{outline:2px solid var(--accent)}
.legend button.hidden{opacity:.4;text-decoration:line-through}
.legend svg{flex:none}
.plot g.hidden{display:none}
details{border:1px solid var(--line);border-radius:5px;margin:6px 0;padding:0 12px}
summary{cursor:pointer;padding:7px 0;overflow-wrap:anywhere}
details[open]{padding-bottom:10px}
pre{background:var(--shade);border-radius:5px;padding:10px 12px;overflow-x:auto;
font:12.5px/1.45 ui-monospace,"DejaVu Sans Mono",Menlo,monospace}
@media (max-width:640px){main{padding:18px 12px 40px}h1{font-size:21px}
.data th,.data td{padding-right:10px}}
@media print{main{max-width:none;padding:0}body{font-size:11px}h2{break-after:avoid}
figure,tr{break-inside:avoid}.table,pre{overflow:visible}pre{white-space:pre-wrap}
table.data{font-size:10px}.data th,.data td{padding:3px 8px 3px 0}}
</style>
)";

constexpr char kScript[] = R"(<script>
for (const table of document.querySelectorAll('table.data')) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.addEventListener('click', () => {
    const up = head.getAttribute('aria-sort') !== 'ascending';
    const key = row => {
      const cell = row.cells[column];
      return 'value' in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
    };
    // What has no number comes last, whichever way.
    const compare = (a, b) => typeof a !== typeof b ? (typeof a === 'number' ? -1 : 1)
        : (up ? 1 : -1) * (typeof a === 'number' ? a - b : a.localeCompare(b));
    const rows = [...body.rows].sort((a, b) => compare(key(a), key(b)));
    for (const other of heads) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    body.append(...rows);
  }));
}
for (const button of document.querySelectorAll('.legend button')) {
  button.addEventListener('click', () => {
    const row = button.dataset.row, hide = !button.classList.contains('hidden');
    const section = button.closest('section');
    for (const part of section.querySelectorAll(
        `.figures [data-series="${row}"], .legend [data-row="${row}"]`))
      part.classList.toggle('hidden', hide);
  });
}
</script>
)";

}  // namespace

std::string PageHead(const std::string& title) {
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>",
      EscapeHtml(title), "</title>\n", kStyle, "</head>\n<body>\n<main>\n");
}

std::string PageFoot() { return absl::StrCat("</main>\n", kScript, "</body>\n</html>\n"); }

std::string LegendMark(size_t series) {
  return absl::StrCat("<svg class=\"plot\" width=\"26\" height=\"12\" aria-hidden=\"true\">",
                      SeriesMark(series, 26, 6), "</svg>");
}

}  // namespace palimpsest
