// The report as a browser shows it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ablation/report.h"
#include "ablation/run_testing.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "tests/browser.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::ElementsAre;

// Says what the page looks like, in numbers, before and after clicks.
constexpr char kProbe[] = R"(
<pre id="probe"></pre><script>
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const firsts = table => all('tbody tr', table).map(row => row.cells[0].textContent);
const result = {errors: window.errors, tables: {}, visible: 0, boxes: 0};
for (const table of all('table.data'))
  result.tables[table.caption.textContent] = table.tBodies[0].rows.length;
for (const table of all('section > .table')) {
  const box = table.getBoundingClientRect();
  if (box.width > 100 && box.height > 20) ++result.boxes;
}
for (const svg of all('section > .figures svg')) {
  const box = svg.getBoundingClientRect();
  if (box.width > 200 && box.height > 100) ++result.visible;
}
result.lines = all('#curves .figures path.line').length;
result.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
result.requests = performance.getEntriesByType('resource').length;
result.elsewhere = all('[src],link,iframe,object').length;
result.scripts = all('script').length;
const table = document.querySelector('table.data');
const heads = all('th', table), mean = heads.findIndex(head => head.textContent === 'mean');
heads[mean].click(), heads[mean].click();
result.sorted = firsts(table);
const button = document.querySelector('#curves .legend button[data-row="0"]');
button.click();
const shown = () => all('#curves .figures [data-series="0"]').filter(
    g => getComputedStyle(g).display !== 'none').length;
result.hidden = shown();
button.click();
result.shown = shown();
document.getElementById('probe').textContent = JSON.stringify(result);
</script></body>)";

constexpr char kListener[] = R"(<head><script>window.errors = [];
for (const kind of ['error', 'securitypolicyviolation'])
  addEventListener(kind, e => errors.push(e.message || e.blockedURI || kind), true);
</script>)";

class ReportBrowserTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!browser_.found()) {
      std::printf("skipped: %s\n", Browser::kMissing);
      GTEST_SKIP() << Browser::kMissing;
    }
    const absl::StatusOr<RunSet> runs = ReadRuns({WriteFakeSweep()});
    ASSERT_TRUE(runs.ok());
    html_ = ReportHtml(*MakeReport(*runs, "", ""));
    WriteFile(page_, html_);
  }

  Picture See(const Browser::Look& look) {
    const std::string png = dir_ + "/page.png";
    browser_.Screenshot(page_, look, png);
    return LookAt(&browser_, png);
  }

  Browser browser_;
  const std::string dir_ = ScratchDir(), page_ = dir_ + "/report.html";
  std::string html_;
};

TEST_F(ReportBrowserTest, HasItsTablesAndChartsAndNeedsNothingElse) {
  WriteFile(page_, absl::StrReplaceAll(html_, {{"<head>", kListener}, {"</body>", kProbe}}));
  std::string console;
  const std::string dom = browser_.Dom(page_, &console);
  EXPECT_EQ(console, "");
  const auto probe = nlohmann::json::parse(
      absl::StrReplaceAll(PreText(dom, "probe"), {{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}}),
      nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(probe.is_object()) << dom.substr(0, 1000);
  EXPECT_EQ(probe["errors"].size(), 0u) << probe["errors"];
  EXPECT_EQ(probe["tables"]["Validation loss, nats a label: lower is better"], 4);
  EXPECT_EQ(probe["tables"]["Validation accuracy, %: higher is better"], 4);
  EXPECT_EQ(probe["tables"]["Cost"], 4);
  EXPECT_EQ(probe["tables"]["Levels"], 8);
  EXPECT_EQ(probe["tables"]["Failed, unfinished and damaged runs"], 3);
  EXPECT_EQ(probe["tables"]["Runs"], 10);
  EXPECT_EQ(probe["boxes"], 7);
  EXPECT_EQ(probe["visible"], 4 + 1 + 4);
  EXPECT_EQ(probe["lines"], 4 * 4);
  EXPECT_LE(probe["overflow"], 0);
  EXPECT_EQ(probe["requests"], 0);
  EXPECT_EQ(probe["elsewhere"], 0);
  EXPECT_EQ(probe["scripts"], 3);  // Its own and the two of this test: no row's name became one.
  EXPECT_THAT(
      probe["sorted"].get<std::vector<std::string>>(),
      ElementsAre("rule=hebbian", "rule=delta", "rule=gated_delta", "<script>alert('x')</script>"));
  EXPECT_EQ(probe["hidden"], 0);
  EXPECT_EQ(probe["shown"], 4);
}

TEST_F(ReportBrowserTest, IsSeenInLightAndDarkWideAndNarrow) {
  for (const int width : {1280, 500}) {
    const Picture light = See({.width = width, .height = 1600});
    const Picture dark = See({.width = width, .height = 1600, .dark = true});
    for (const Picture& picture : {light, dark}) {
      EXPECT_EQ(picture.width, width);
      EXPECT_EQ(picture.height, 1600);
      // Letters, lines and bands; an empty page has one colour.
      EXPECT_GT(picture.colors, 100);
      EXPECT_GT(picture.drawn, 0.03);
      EXPECT_LT(picture.drawn, 0.5);
    }
    EXPECT_GT(light.brightness, 0.9);
    EXPECT_LT(dark.brightness, 0.25);
  }
}

}  // namespace
}  // namespace palimpsest
