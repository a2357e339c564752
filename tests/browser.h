#ifndef TESTS_BROWSER_H_
#define TESTS_BROWSER_H_

#include <string>

namespace palimpsest {

// A headless Chromium, in a folder of its own and without network.
class Browser {
 public:
  Browser();
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;
  // There is one on this machine; else a test is to be skipped, with this.
  bool found() const { return !path_.empty(); }
  static constexpr char kMissing[] =
      "there is no chromium, chromium-browser or google-chrome here; apt-get install chromium";

  struct Look {
    int width = 1280, height = 900;
    bool dark = false;
  };
  // What the page at `file` has become once it is loaded, as HTML. Adds to `console` what it said
  // there.
  std::string Dom(const std::string& file, std::string* console);
  // Writes a PNG.
  void Screenshot(const std::string& file, const Look& look, const std::string& png);

 private:
  std::string path_, home_;
};

// What stands in `html` from <pre id="`id`"> on to the end of that element; "" if there is none.
std::string PreText(const std::string& html, const std::string& id);

// What is to be seen in a PNG.
struct Picture {
  int width = 0, height = 0;
  int colors = 0;         // Different ones.
  double brightness = 0;  // Of all pixels, from 0 to 1.
  double drawn = 0;       // The share of pixels that are not of the commonest colour.
};
// Decoded by the browser.
Picture LookAt(Browser* browser, const std::string& png);

}  // namespace palimpsest

#endif  // TESTS_BROWSER_H_
