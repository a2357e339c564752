#include "tests/browser.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/subprocess.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

constexpr const char* kPlaces[] = {"/usr/bin/", "/usr/local/bin/", "/snap/bin/"};
constexpr const char* kNames[] = {"chromium", "chromium-browser", "google-chrome",
                                  "google-chrome-stable"};

constexpr char kDecoder[] = R"(
<!doctype html><pre id="result"></pre><img id="image" src="data:image/png;base64,%DATA%">
<script>
const image = document.getElementById('image');
const look = () => {
  const canvas = document.createElement('canvas');
  const width = canvas.width = image.naturalWidth, height = canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const p of pixels) counts.set(p, (counts.get(p) || 0) + 1);
  let bright = 0;
  for (const [p, n] of counts)
    bright += n * ((p & 255) + (p >> 8 & 255) + (p >> 16 & 255)) / 765;
  const most = Math.max(...counts.values());
  document.getElementById('result').textContent = JSON.stringify({width, height,
      colors: counts.size, brightness: bright / pixels.length, drawn: 1 - most / pixels.length});
};
image.complete ? look() : image.onload = look;
</script>
)";

}  // namespace

// In /tmp, for its sockets may not have long names.
Browser::Browser() {
  char home[] = "/tmp/browser-XXXXXX";
  EXPECT_NE(mkdtemp(home), nullptr);
  home_ = home;
  for (const char* place : kPlaces) {
    for (const char* name : kNames) {
      const std::string path = absl::StrCat(place, name);
      if (path_.empty() && access(path.c_str(), X_OK) == 0) path_ = path;
    }
  }
}

namespace {

std::vector<std::string> Command(const std::string& browser, const std::string& home,
                                 const std::vector<std::string>& more, const std::string& file) {
  std::vector<std::string> args = {
      "/usr/bin/env", "TMPDIR=" + home, "HOME=" + home, browser, "--headless",
      // Root may not have a sandbox; the page is our own.
      "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1",
      "--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND",
      "--virtual-time-budget=5000", "--user-data-dir=" + home + "/profile"};
  args.insert(args.end(), more.begin(), more.end());
  args.push_back("file://" + file);
  return args;
}

}  // namespace

Browser::~Browser() {
  std::error_code error;
  std::filesystem::remove_all(home_, error);
}

std::string Browser::Dom(const std::string& file, std::string* console) {
  const ProcessResult result = RunProcess(Command(path_, home_, {"--dump-dom"}, file));
  EXPECT_EQ(result.code, 0) << result.err;
  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("CONSOLE") != std::string::npos) absl::StrAppend(console, line, "\n");
  }
  return result.out;
}

void Browser::Screenshot(const std::string& file, const Look& look, const std::string& png) {
  std::vector<std::string> more = {
      absl::StrCat("--window-size=", look.width, ",", look.height), "--screenshot=" + png,
      absl::StrCat("--blink-settings=preferredColorScheme=", look.dark ? 0 : 1)};
  const ProcessResult result = RunProcess(Command(path_, home_, more, file));
  EXPECT_EQ(result.code, 0) << result.err;
}

std::string PreText(const std::string& html, const std::string& id) {
  const std::string begin = absl::StrCat("<pre id=\"", id, "\">");
  const size_t at = html.find(begin);
  if (at == std::string::npos) return "";
  const size_t first = at + begin.size();
  return html.substr(first, html.find("</pre>", first) - first);
}

Picture LookAt(Browser* browser, const std::string& png) {
  const std::string page = png + ".html";
  std::string html = kDecoder, data, console;
  absl::Base64Escape(ReadFile(png), &data);
  html.replace(html.find("%DATA%"), 6, data);
  WriteFile(page, html);
  const std::string dom = browser->Dom(page, &console);
  const auto json = nlohmann::json::parse(PreText(dom, "result"), nullptr,
                                          /*allow_exceptions=*/false);
  EXPECT_TRUE(json.is_object()) << console << dom.substr(0, 200);
  if (!json.is_object()) return {};
  return {json["width"], json["height"], json["colors"], json["brightness"], json["drawn"]};
}

}  // namespace palimpsest
