#ifndef TESTS_PLUGIN_BUILDING_H_
#define TESTS_PLUGIN_BUILDING_H_

#include <string>
#include <vector>

namespace palimpsest {

// g++ -shared -fPIC as one would type it in another folder, with the source tree as the only
// include path: sources, objects and flags `args` to a shared object in a new folder. Its path.
std::string BuildPlugin(const std::vector<std::string>& args);
// The same to an object, for plugins that differ in little.
std::string BuildObject(const std::vector<std::string>& args);
// A file of that text in a new folder.
std::string Source(const std::string& text);

}  // namespace palimpsest

#endif  // TESTS_PLUGIN_BUILDING_H_
